// SPDX-License-Identifier: Apache-2.0
//! Prepared statements and portals of one connection: what an Execute needs to be named by its statement's text, and its
//! rows to be read. Bounded in number and bytes; of the named ones, one that was not used lately goes first.
//!
//! A statement is counted by those who hold it: its name, portals, and requests that wait for an answer.

use std::collections::HashMap;

use super::message::Formats;

const MAX_NAMED: usize = 1024;
const MAX_PORTALS: usize = 256;
/// Texts and descriptions of all statements.
const MAX_BYTES: usize = 4 << 20;
/// What is kept of a text when there is no room for more.
const MAX_BYTES_WITHOUT_ROOM: usize = 1024;
const MAX_DESCRIPTION_BYTES: usize = 16 << 10;
const SPARE_BYTES: usize = 16 << 10;
/// Names that are kept for the next statements and portals, and their size.
const MAX_SPARE_NAMES: usize = 64;
const MAX_SPARE_NAME_BYTES: usize = 128;

/// Place of a statement in [`Statements`]; valid as long as it is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatementId(u32);

#[derive(Default)]
pub struct Statement {
    pub text: Vec<u8>,
    /// The text is longer than what is kept of it.
    pub cut: bool,
    /// Bytes of the text were lost in a gap.
    pub damaged: bool,
    /// The RowDescription of its result, for executions that do not ask for it.
    pub description: Vec<u8>,
    holders: u32,
    /// Used since the search for one that is not passed by.
    used: bool,
    /// The name it is known by; empty when it has none.
    name: Vec<u8>,
}

impl Statement {
    fn bytes(&self) -> usize {
        self.text.len() + self.description.len()
    }
}

/// A statement that is bound to parameters.
#[derive(Clone, Copy, Debug)]
pub struct Portal {
    pub statement: Option<StatementId>,
    pub formats: Formats,
}

#[derive(Default)]
pub struct Statements {
    slots: Vec<Statement>,
    free: Vec<u32>,
    bytes: usize,
    names: HashMap<Vec<u8>, StatementId>,
    unnamed: Option<StatementId>,
    portals: HashMap<Vec<u8>, Portal>,
    unnamed_portal: Option<Portal>,
    /// Where the search for a statement to forget goes on.
    hand: usize,
    spare_names: Vec<Vec<u8>>,
}

impl Statements {
    /// Whether no named statement is known, so that nothing is lost when the connection is forgotten.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Defines a statement; it is held by its name.
    pub fn parse(&mut self, name: &[u8], text: &[u8]) -> StatementId {
        self.close(name);
        while !self.names.is_empty() && (self.names.len() >= MAX_NAMED || self.bytes + text.len() > MAX_BYTES) {
            self.forget_one();
        }
        let kept =
            if self.bytes + text.len() > MAX_BYTES { text.len().min(MAX_BYTES_WITHOUT_ROOM) } else { text.len() };
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Statement::default());
            (self.slots.len() - 1) as u32
        });
        let id = StatementId(index);
        if let Some(statement) = self.slots.get_mut(index as usize) {
            statement.text.extend_from_slice(&text[..kept]);
            statement.cut = kept < text.len();
            statement.holders = 1;
            statement.used = true;
            statement.name.clear();
            statement.name.extend_from_slice(name);
        }
        self.bytes += kept;
        if name.is_empty() {
            self.unnamed = Some(id);
        } else {
            let name = self.owned(name);
            self.names.insert(name, id);
        }
        id
    }

    /// The statement of a name; the caller does not hold it yet.
    pub fn find(&mut self, name: &[u8]) -> Option<StatementId> {
        let id = if name.is_empty() { self.unnamed? } else { *self.names.get(name)? };
        if let Some(statement) = self.slots.get_mut(id.0 as usize) {
            statement.used = true;
        }
        Some(id)
    }

    pub fn get(&self, id: StatementId) -> Option<&Statement> {
        self.slots.get(id.0 as usize)
    }

    /// Marks a text as incomplete.
    pub fn mark(&mut self, id: StatementId, cut: bool, damaged: bool) {
        if let Some(statement) = self.slots.get_mut(id.0 as usize) {
            statement.cut |= cut;
            statement.damaged |= damaged;
        }
    }

    /// Remembers what the result of a statement looks like.
    pub fn describe(&mut self, id: StatementId, description: &[u8]) {
        let Some(statement) = self.slots.get_mut(id.0 as usize) else {
            return;
        };
        if statement.description == description {
            return;
        }
        self.bytes = self.bytes.saturating_sub(statement.description.len());
        statement.description.clear();
        if description.len() <= MAX_DESCRIPTION_BYTES && self.bytes + description.len() <= MAX_BYTES {
            statement.description.extend_from_slice(description);
            self.bytes += description.len();
        }
    }

    pub fn hold(&mut self, id: StatementId) {
        if let Some(statement) = self.slots.get_mut(id.0 as usize) {
            statement.holders += 1;
        }
    }

    pub fn release(&mut self, id: StatementId) {
        let Some(statement) = self.slots.get_mut(id.0 as usize) else {
            return;
        };
        statement.holders = statement.holders.saturating_sub(1);
        if statement.holders > 0 {
            return;
        }
        self.bytes = self.bytes.saturating_sub(statement.bytes());
        for buffer in [&mut statement.text, &mut statement.description] {
            buffer.clear();
            buffer.shrink_to(SPARE_BYTES);
        }
        statement.cut = false;
        statement.damaged = false;
        self.free.push(id.0);
    }

    /// Forgets the name of a statement.
    pub fn close(&mut self, name: &[u8]) {
        let old = if name.is_empty() {
            self.unnamed.take()
        } else {
            self.names.remove_entry(name).map(|(name, id)| {
                recycle(&mut self.spare_names, name);
                id
            })
        };
        old.into_iter().for_each(|id| self.release(id));
    }

    /// Defines a portal, which holds its statement.
    pub fn bind(&mut self, name: &[u8], statement: Option<StatementId>, formats: Formats) {
        statement.into_iter().for_each(|id| self.hold(id));
        let portal = Portal { statement, formats };
        let old = if name.is_empty() {
            self.unnamed_portal.replace(portal)
        } else if let Some(known) = self.portals.get_mut(name) {
            Some(std::mem::replace(known, portal))
        } else {
            if self.portals.len() >= MAX_PORTALS {
                // Portals end with their transaction; so many at once are closed without being seen.
                self.close_portals();
            }
            let name = self.owned(name);
            self.portals.insert(name, portal)
        };
        old.and_then(|portal| portal.statement).into_iter().for_each(|id| self.release(id));
    }

    pub fn portal(&self, name: &[u8]) -> Option<Portal> {
        if name.is_empty() { self.unnamed_portal } else { self.portals.get(name).copied() }
    }

    pub fn close_portal(&mut self, name: &[u8]) {
        let old = if name.is_empty() {
            self.unnamed_portal.take()
        } else {
            self.portals.remove_entry(name).map(|(name, portal)| {
                recycle(&mut self.spare_names, name);
                portal
            })
        };
        old.and_then(|portal| portal.statement).into_iter().for_each(|id| self.release(id));
    }

    fn close_portals(&mut self) {
        let portals = std::mem::take(&mut self.portals);
        portals.into_values().filter_map(|portal| portal.statement).for_each(|id| self.release(id));
    }

    /// Forgets a named statement that was not used since the last search, or any.
    fn forget_one(&mut self) {
        for _ in 0..2 * self.slots.len() {
            self.hand = if self.hand + 1 < self.slots.len() { self.hand + 1 } else { 0 };
            let Some(statement) = self.slots.get_mut(self.hand) else {
                break;
            };
            let candidate = statement.holders > 0 && !statement.name.is_empty();
            if candidate && !std::mem::take(&mut statement.used) {
                let name = std::mem::take(&mut statement.name);
                // The name may belong to another statement by now.
                if self.names.get(&name) == Some(&StatementId(self.hand as u32)) {
                    return self.close(&name);
                }
            }
        }
        // None has both a place and a name: start anew.
        let names = std::mem::take(&mut self.names);
        names.into_values().for_each(|id| self.release(id));
    }

    /// A name in memory of an earlier one.
    fn owned(&mut self, name: &[u8]) -> Vec<u8> {
        let mut owned = self.spare_names.pop().unwrap_or_default();
        owned.extend_from_slice(name);
        owned
    }

    #[cfg(test)]
    pub fn held_bytes(&self) -> usize {
        self.slots.iter().map(|statement| statement.text.capacity() + statement.description.capacity()).sum()
    }

    /// Forgets everything; nobody may hold a statement any more.
    pub fn clear(&mut self) {
        let spare = &mut self.spare_names;
        self.names.drain().for_each(|(name, _)| recycle(spare, name));
        self.names.shrink_to(64);
        self.portals.drain().for_each(|(name, _)| recycle(spare, name));
        self.unnamed = None;
        self.unnamed_portal = None;
        self.bytes = 0;
        self.hand = 0;
        self.free.clear();
        self.slots.truncate(8);
        for (index, statement) in self.slots.iter_mut().enumerate() {
            statement.text.clear();
            statement.text.shrink_to(SPARE_BYTES);
            statement.description.clear();
            statement.holders = 0;
            statement.cut = false;
            statement.damaged = false;
            statement.name.clear();
            self.free.push(index as u32);
        }
    }
}

fn recycle(spare: &mut Vec<Vec<u8>>, mut name: Vec<u8>) {
    if spare.len() < MAX_SPARE_NAMES && name.capacity() <= MAX_SPARE_NAME_BYTES {
        name.clear();
        spare.push(name);
    }
}
