// SPDX-License-Identifier: Apache-2.0
//! A parser that takes every byte and says nothing: what is left of a run is the streams' own cost.

use crate::protocols::{Context, Direction, Factory, Parser, Step};

/// Makes them.
pub struct Silent;

impl Factory for Silent {
    fn parser(&self) -> Box<dyn Parser> {
        Box::new(Silent)
    }
}

impl Parser for Silent {
    fn data(&mut self, _context: &mut Context<'_>, _direction: Direction, bytes: &[u8]) -> Step {
        Step::Consumed { bytes: bytes.len(), need: 1 }
    }

    fn deadline_ns(&self) -> Option<i64> {
        None
    }

    fn finish(&mut self, _context: &mut Context<'_>) {}

    fn reset(&mut self) {}
}
