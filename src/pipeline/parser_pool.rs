// SPDX-License-Identifier: Apache-2.0
//! Parsers of one section that wait for their next flow. As many are kept as lately were needed: what a wave of flows left goes
//! when the wave is over, a few at a time.

use std::collections::VecDeque;

use crate::protocols::Parser;

/// Parsers that a section keeps at the most.
const MOST: usize = 4096;
/// Parsers that go in one turn.
const SHED_A_TURN: usize = 4;

#[derive(Default)]
pub struct ParserPool {
    /// The last one given back is the first one taken: the front is what is not needed.
    parsers: VecDeque<Box<dyn Parser>>,
    /// The fewest there were since the last look.
    fewest: usize,
    /// How many are to go.
    surplus: usize,
}

impl ParserPool {
    pub fn take(&mut self) -> Option<Box<dyn Parser>> {
        let parser = self.parsers.pop_back();
        self.fewest = self.fewest.min(self.parsers.len());
        parser
    }

    /// Keeps a parser that is as new.
    pub fn give(&mut self, parser: Box<dyn Parser>) {
        if self.parsers.len() < MOST {
            self.parsers.push_back(parser);
        }
    }

    /// Decides how many go: those that nobody needed since the last look.
    pub fn look(&mut self) {
        self.surplus = self.fewest;
        self.fewest = self.parsers.len();
    }

    /// Lets some of the surplus go, as long as they are not needed after all.
    pub fn shed(&mut self) {
        self.surplus = self.surplus.min(self.fewest);
        let count = self.surplus.min(SHED_A_TURN);
        self.parsers.drain(..count);
        self.surplus -= count;
        self.fewest -= count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocols::Context;

    struct Idle;

    impl Parser for Idle {
        fn deadline_ns(&self) -> Option<i64> {
            None
        }

        fn finish(&mut self, _context: &mut Context<'_>) {}

        fn reset(&mut self) {}
    }

    #[test]
    fn what_nobody_needed_goes() {
        let mut pool = ParserPool::default();
        (0..100).for_each(|_| pool.give(Box::new(Idle)));
        pool.look();
        // Of the 100 a wave needs 60.
        let taken: Vec<_> = (0..60).filter_map(|_| pool.take()).collect();
        taken.into_iter().for_each(|parser| pool.give(parser));
        pool.look();
        (0..1_000).for_each(|_| pool.shed());
        assert_eq!(pool.parsers.len(), 60);
        // Then only one is needed, and when the rest begins to go another wave comes.
        pool.take().into_iter().for_each(|parser| pool.give(parser));
        pool.look();
        let taken: Vec<_> = (0..50).filter_map(|_| pool.take()).collect();
        taken.into_iter().for_each(|parser| pool.give(parser));
        (0..1_000).for_each(|_| pool.shed());
        assert_eq!(pool.parsers.len(), 50);
        // Then none.
        pool.look();
        pool.look();
        (0..1_000).for_each(|_| pool.shed());
        assert_eq!((pool.parsers.len(), pool.take().is_none()), (0, true));
        (0..MOST + 1).for_each(|_| pool.give(Box::new(Idle)));
        assert_eq!(pool.parsers.len(), MOST);
    }
}
