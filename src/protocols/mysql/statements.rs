// SPDX-License-Identifier: Apache-2.0
//! Prepared statements of one connection: what COM_STMT_EXECUTE needs to be understood. Bounded in number and bytes; the
//! one that was not used for longest goes first.

use std::cell::RefCell;
use std::collections::HashMap;

use super::wire::Column;
use crate::protocols::text::Text;

const MAX_STATEMENTS: usize = 1024;
const MAX_BYTES: usize = 4 << 20;
const MAX_LONG_DATA_BYTES: usize = 64 << 10;
const MAX_LONG_PARAMETERS: usize = 256;
/// Statements without a connection that a thread keeps for the next ones, and columns and parameters that each may have.
const SPARE_STATEMENTS: usize = 256;
const SPARE_ITEMS: usize = 256;

thread_local! {
    /// Connections come and go with their statements.
    static SPARE: RefCell<Vec<Statement>> = const { RefCell::new(Vec::new()) };
}

/// The id that MariaDB clients use for "the statement prepared last".
pub const LAST_PREPARED: u32 = u32::MAX;

#[derive(Default)]
pub struct Statement {
    pub text: Text,
    pub parameters: u16,
    /// Types of the parameters as they were bound last: type in the low byte, 0x8000 for unsigned.
    pub types: Vec<u16>,
    /// Columns of its result, for servers that do not repeat their definitions and for COM_STMT_FETCH.
    pub columns: Vec<Column>,
    /// Parameters sent with COM_STMT_SEND_LONG_DATA since the last execution.
    pub long_data: Vec<(u16, Vec<u8>)>,
    long_data_bytes: usize,
    used_ns: i64,
}

impl Statement {
    /// One that was used before, if there is one.
    fn lent() -> Statement {
        SPARE.try_with(|spare| spare.borrow_mut().pop()).ok().flatten().unwrap_or_default()
    }

    /// Leaves its memory to the next one.
    fn give_back(mut self) {
        self.text.clear();
        self.parameters = 0;
        self.types.clear();
        self.columns.clear();
        self.forget_long_data();
        if self.types.capacity() > SPARE_ITEMS || self.columns.capacity() > SPARE_ITEMS {
            return;
        }
        // A thread that ends has nothing to keep it in.
        let _ = SPARE.try_with(|spare| {
            let mut spare = spare.borrow_mut();
            if spare.len() < SPARE_STATEMENTS {
                spare.push(self);
            }
        });
    }

    pub fn forget_long_data(&mut self) {
        self.long_data.clear();
        self.long_data_bytes = 0;
    }

    /// Appends a piece of a parameter, as long as there is room.
    pub fn add_long_data(&mut self, parameter: u16, piece: &[u8]) {
        let room = MAX_LONG_DATA_BYTES.saturating_sub(self.long_data_bytes);
        let piece = &piece[..piece.len().min(room)];
        self.long_data_bytes += piece.len();
        let may_grow = parameter < self.parameters && self.long_data.len() < MAX_LONG_PARAMETERS;
        match self.long_data.iter_mut().find(|(known, _)| *known == parameter) {
            Some((_, data)) => data.extend_from_slice(piece),
            None if may_grow => self.long_data.push((parameter, piece.to_vec())),
            None => {}
        }
    }

    fn bytes(&self) -> usize {
        self.text.len() + self.types.len() * 2 + self.columns.len() * size_of::<Column>() + self.long_data_bytes + 128
    }
}

#[derive(Default)]
pub struct Statements {
    known: HashMap<u32, Statement>,
    last: u32,
    bytes: usize,
}

impl Statements {
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Remembers a statement under the server's id.
    pub fn insert(&mut self, id: u32, text: &[u8], parameters: u16, now_ns: i64) -> &mut Statement {
        self.remove(id);
        while self.known.len() >= MAX_STATEMENTS || (self.bytes + text.len() > MAX_BYTES && !self.known.is_empty()) {
            let oldest = self.known.iter().min_by_key(|(_, statement)| statement.used_ns).map(|(id, _)| *id);
            oldest.into_iter().for_each(|id| self.remove(id));
        }
        let mut statement = Statement::lent();
        statement.text.extend_from_slice(text);
        statement.parameters = parameters;
        statement.used_ns = now_ns;
        self.last = id;
        self.bytes += statement.bytes();
        self.known.entry(id).or_insert(statement)
    }

    /// The statement of an id, unless it was not used for `timeout_ns`.
    pub fn get(&mut self, id: u32, now_ns: i64, timeout_ns: i64) -> Option<&Statement> {
        let id = if id == LAST_PREPARED { self.last } else { id };
        let statement = self.known.get(&id)?;
        if now_ns.saturating_sub(statement.used_ns) > timeout_ns {
            self.remove(id);
            return None;
        }
        let statement = self.known.get_mut(&id)?;
        statement.used_ns = now_ns;
        Some(statement)
    }

    /// Changes a statement and keeps count of its bytes.
    pub fn change(&mut self, id: u32, change: impl FnOnce(&mut Statement)) {
        let id = if id == LAST_PREPARED { self.last } else { id };
        if let Some(statement) = self.known.get_mut(&id) {
            self.bytes = self.bytes.saturating_sub(statement.bytes());
            change(statement);
            self.bytes += statement.bytes();
        }
        if self.bytes > 2 * MAX_BYTES {
            // Column lists and long data outgrew the bound: start anew rather than search.
            self.clear();
        }
    }

    pub fn remove(&mut self, id: u32) {
        let id = if id == LAST_PREPARED { self.last } else { id };
        if let Some(statement) = self.known.remove(&id) {
            self.bytes = self.bytes.saturating_sub(statement.bytes());
            statement.give_back();
        }
    }

    #[cfg(test)]
    pub fn held_bytes(&self) -> usize {
        self.known.values().map(|statement| statement.text.capacity()).sum()
    }

    pub fn clear(&mut self) {
        self.known.drain().for_each(|(_, statement)| statement.give_back());
        self.known.shrink_to(64);
        self.bytes = 0;
    }
}

impl Drop for Statements {
    fn drop(&mut self) {
        self.clear();
    }
}
