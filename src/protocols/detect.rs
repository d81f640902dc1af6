// SPDX-License-Identifier: Apache-2.0
//! Which protocol a flow speaks, told by its first bytes (`wirebeat.detect`).
//!
//! Asked only for flows without a configured port, and for ports that several sections share. A protocol that is
//! configured is then analysed by its section; any other that is recognised is named in the flow. Limits: the bytes of a
//! connection joined in the middle are recognised where a message begins with a segment, not elsewhere.

#[cfg(test)]
mod tests;

use super::registry::{Registry, SectionNumber};
use super::{AfterGap, Context, DESCRIPTORS, Direction, End, Parser, Step};

mod others;

/// What a recogniser says of the first bytes that one end sent, or of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recognition {
    /// The protocol, and a client sent this.
    Client,
    /// The protocol, and a server sent this.
    Server,
    /// It may be the protocol: more bytes would tell.
    Undecided,
    No,
}

/// What carries the bytes: they begin a stream, or are a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carried {
    Stream,
    Datagram,
}

/// Recognises a protocol. Called with at most [`LOOK_BYTES`] of a stream, or a whole datagram.
pub type Recognise = fn(Carried, &[u8]) -> Recognition;

/// Who is asked: a bit for each section, and the others that are only named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidates {
    pub sections: u64,
    /// Whether protocols that no section analyses are recognised as well.
    pub others: Others,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Others {
    Named,
    LeftOut,
}

/// Which end sent the bytes that were recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    Client,
    Server,
    /// The protocol's bytes do not tell.
    Either,
}

/// What came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// A section analyses it.
    Section {
        section: SectionNumber,
        sender: Sender,
    },
    /// Recognised, and nobody analyses it.
    Named(ProtocolName),
    Unknown,
}

/// Number of a name in the list of all protocols that can be recognised; 0 for none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProtocolName(pub u8);

impl ProtocolName {
    pub const NONE: ProtocolName = ProtocolName(0);

    pub fn of_section(registry: &Registry, section: SectionNumber) -> ProtocolName {
        ProtocolName::of(registry.sections[usize::from(section)].descriptor.name)
    }

    fn of(name: &str) -> ProtocolName {
        let place = names().position(|other| other == name);
        ProtocolName(place.map_or(0, |place| place as u8 + 1))
    }

    /// `network.protocol` of the flow.
    pub fn name(self) -> Option<&'static str> {
        names().nth(usize::from(self.0).checked_sub(1)?)
    }
}

fn names() -> impl Iterator<Item = &'static str> {
    DESCRIPTORS.iter().map(|descriptor| descriptor.name).chain(others::OTHERS.iter().map(|(name, _)| *name))
}

/// Bytes of a direction after which nothing more is expected to tell.
pub const LOOK_BYTES: usize = 512;
/// Datagrams of a flow that are looked at.
const DATAGRAMS: u8 = 4;

/// Stands in a parser's place until the protocol is known.
pub struct Detector {
    candidates: Candidates,
    pub decision: Option<Decision>,
    /// The direction of the bytes that told.
    pub told: Direction,
    /// The end that sent first, and when.
    pub first: Option<(Direction, i64)>,
    /// Directions of a stream whose bytes told nothing, or datagrams.
    silent: [bool; 2],
    datagrams: u8,
    registry: std::sync::Arc<Registry>,
}

impl Detector {
    pub fn new(registry: std::sync::Arc<Registry>, candidates: Candidates) -> Detector {
        Detector {
            candidates,
            decision: None,
            told: Direction::ToServer,
            first: None,
            silent: [false; 2],
            datagrams: 0,
            registry,
        }
    }

    /// Looks at a datagram. None: the next one may tell.
    pub fn datagram(&mut self, payload: &[u8]) -> Option<Decision> {
        self.decision = match decide(&self.registry, self.candidates, Carried::Datagram, payload) {
            None | Some(Decision::Unknown) if self.datagrams + 1 < DATAGRAMS => None,
            None => Some(self.last_resort()),
            decided => decided,
        };
        self.datagrams += 1;
        self.decision
    }

    /// No more bytes come: the section that recognises nothing by itself, or nobody.
    pub fn last_resort(&self) -> Decision {
        last_resort(&self.registry, self.candidates)
    }

    fn look(&mut self, direction: Direction, bytes: &[u8]) {
        self.told = direction;
        let head = &bytes[..bytes.len().min(LOOK_BYTES)];
        match decide(&self.registry, self.candidates, Carried::Stream, head) {
            // The other end may say more than this one.
            Some(Decision::Unknown) => self.silent[direction as usize] = true,
            None if bytes.len() >= LOOK_BYTES => self.silent[direction as usize] = true,
            decided => self.decision = decided,
        }
        if self.silent == [true; 2] {
            self.decision = Some(self.last_resort());
        }
    }
}

impl Parser for Detector {
    fn data(&mut self, context: &mut Context<'_>, direction: Direction, bytes: &[u8]) -> Step {
        self.first.get_or_insert((direction, context.now_ns));
        if self.decision.is_none() && !self.silent[direction as usize] {
            self.look(direction, bytes);
        }
        Step::Consumed { bytes: 0, need: bytes.len() + 1 }
    }

    fn gap(&mut self, _context: &mut Context<'_>, _direction: Direction, _pending: &[u8], _missing: u64) -> AfterGap {
        let last_resort = self.last_resort();
        self.decision.get_or_insert(last_resort);
        AfterGap::Restart
    }

    fn end(&mut self, _context: &mut Context<'_>, _direction: Direction, _pending: &[u8], _end: End) {}

    fn deadline_ns(&self) -> Option<i64> {
        None
    }

    fn finish(&mut self, _context: &mut Context<'_>) {}

    fn reset(&mut self) {}
}

/// Asks every candidate. None: more bytes would tell.
fn decide(registry: &Registry, candidates: Candidates, carried: Carried, bytes: &[u8]) -> Option<Decision> {
    let mut undecided = false;
    for (number, section) in of(registry, candidates) {
        let Some(recognise) = section.recognise else { continue };
        match recognise(carried, bytes) {
            Recognition::Client => return Some(Decision::Section { section: number, sender: Sender::Client }),
            Recognition::Server => return Some(Decision::Section { section: number, sender: Sender::Server }),
            Recognition::Undecided => undecided = true,
            Recognition::No => {}
        }
    }
    if candidates.others == Others::Named {
        let asked = |name: &str| of(registry, candidates).any(|(_, descriptor)| descriptor.name == name);
        let unconfigured = DESCRIPTORS
            .iter()
            .filter(|descriptor| !asked(descriptor.name))
            .filter_map(|descriptor| Some((descriptor.name, descriptor.recognise?)));
        for (name, recognise) in unconfigured.chain(others::OTHERS.iter().copied()) {
            match recognise(carried, bytes) {
                Recognition::Client | Recognition::Server => return Some(Decision::Named(ProtocolName::of(name))),
                Recognition::Undecided => undecided = true,
                Recognition::No => {}
            }
        }
    }
    if undecided { None } else { Some(last_resort(registry, candidates)) }
}

/// Of the sections that share a port, the first that cannot recognise its protocol takes what no other one knows.
fn last_resort(registry: &Registry, candidates: Candidates) -> Decision {
    let silent = || of(registry, candidates).find(|(_, descriptor)| descriptor.recognise.is_none());
    match candidates.others {
        Others::Named => Decision::Unknown,
        Others::LeftOut => {
            silent().map_or(Decision::Unknown, |(section, _)| Decision::Section { section, sender: Sender::Either })
        }
    }
}

fn of(
    registry: &Registry,
    candidates: Candidates,
) -> impl Iterator<Item = (SectionNumber, &'static super::Descriptor)> {
    registry
        .sections
        .iter()
        .enumerate()
        .filter(move |(number, _)| candidates.sections >> number & 1 == 1)
        .map(|(number, section)| (number as SectionNumber, section.descriptor))
}

/// Whether bytes begin with a text, as far as there are any.
pub fn begins_with(bytes: &[u8], text: &[u8]) -> Recognition {
    let common = bytes.len().min(text.len());
    match (bytes[..common] == text[..common], common == text.len()) {
        (true, true) => Recognition::Client,
        (true, false) => Recognition::Undecided,
        (false, _) => Recognition::No,
    }
}
