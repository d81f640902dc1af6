// SPDX-License-Identifier: Apache-2.0
//! The Enter key as a clock (`-O`): asks, and waits without keeping the program from stopping.

use std::io::Write;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Asks for Enter before each packet.
#[derive(Debug, Default)]
pub struct EnterKey {
    asked: bool,
    /// Nobody can press it any more: everything goes on without.
    closed: bool,
}

impl EnterKey {
    /// Whether Enter was pressed; waits a moment for it.
    pub fn pressed(&mut self) -> bool {
        if self.closed {
            return true;
        }
        if !self.asked {
            self.asked = true;
            println!("Press enter to read packet");
            // Nothing depends on the question being seen.
            let _ = std::io::stdout().flush();
        }
        let stdin = std::io::stdin();
        let longest = Timespec { tv_sec: 0, tv_nsec: MOMENT.as_nanos() as _ };
        if !matches!(poll(&mut [PollFd::new(&stdin, PollFlags::IN)], Some(&longest)), Ok(1..)) {
            return false;
        }
        self.asked = false;
        // Byte by byte: what is read ahead would not be seen by the next poll.
        let mut key = [0];
        while key != *b"\n" {
            match rustix::io::read(&stdin, &mut key) {
                Ok(1..) => {}
                Ok(0) => {
                    self.closed = true;
                    break;
                }
                Err(_) => break,
            }
        }
        true
    }
}

const MOMENT: Duration = Duration::from_millis(50);
