// SPDX-License-Identifier: Apache-2.0
//! A source that follows an interface by its role: when another one has the default route, all workers move to it.
//!
//! Limit: what the old interface's ring still held when a worker moves is lost.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use log::{info, warn};

use super::fallback::AnySource;
use super::{Burst, Placement, Pressure, Received, Share, Source, SourceStatistics, Stray};

/// Finds the interface's name.
pub type Find = Box<dyn Fn() -> Option<String> + Send + Sync>;
/// Opens the sources of all workers on an interface.
pub type Open = Box<dyn Fn(&str) -> Result<Vec<AnySource>, String> + Send + Sync>;

/// One worker's source on the interface that has the role now.
pub struct Following {
    current: AnySource,
    worker: usize,
    guide: Arc<Guide>,
    generation: u64,
    /// What the sources before had counted.
    before: SourceStatistics,
}

/// What the workers of a group have in common.
struct Guide {
    find: Find,
    open: Open,
    interval: Duration,
    /// Grows when there are new sources.
    generation: AtomicU64,
    state: Mutex<State>,
}

struct State {
    device: String,
    looked: Instant,
    /// New sources that their workers have not taken yet.
    sources: Vec<Option<AnySource>>,
}

impl Following {
    /// The sources of all workers on `device`, which are exchanged when `find` answers another.
    pub fn group(device: &str, interval: Duration, find: Find, open: Open) -> Result<Vec<Following>, String> {
        let sources = open(device)?;
        let state = State { device: device.to_string(), looked: Instant::now(), sources: Vec::new() };
        let guide = Arc::new(Guide { find, open, interval, generation: AtomicU64::new(0), state: Mutex::new(state) });
        let following = sources.into_iter().enumerate().map(|(worker, current)| Following {
            current,
            worker,
            guide: Arc::clone(&guide),
            generation: 0,
            before: SourceStatistics::default(),
        });
        Ok(following.collect())
    }

    /// Takes the new source, if there is one.
    fn move_on(&mut self) {
        let generation = self.guide.generation.load(Ordering::Acquire);
        if generation == self.generation {
            return;
        }
        self.generation = generation;
        let mut state = self.guide.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(source) = state.sources.get_mut(self.worker).and_then(Option::take) {
            drop(state);
            self.before = sum(self.before, self.current.statistics());
            self.current = source;
        }
    }
}

impl Guide {
    /// Looks for the interface, when it is time or `broken`.
    fn look(&self, broken: Option<&str>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = if broken.is_some() { MOMENT } else { self.interval };
        if state.looked.elapsed() < wait {
            return;
        }
        state.looked = Instant::now();
        let Some(device) = (self.find)() else { return };
        if device == state.device && broken.is_none() {
            return;
        }
        match (self.open)(&device) {
            Ok(sources) => {
                match broken {
                    Some(sentence) => info!("capturing on {device} now: {sentence}"),
                    None => info!("capturing on {device} now, {} has no default route any more", state.device),
                }
                state.device = device;
                state.sources = sources.into_iter().map(Some).collect();
                self.generation.fetch_add(1, Ordering::AcqRel);
            }
            Err(sentence) => warn!("{sentence}; trying again"),
        }
    }
}

/// Between attempts while there is no interface to capture on.
const MOMENT: Duration = Duration::from_secs(1);
/// A worker without an interface sleeps so long.
const SLEEP: Duration = Duration::from_millis(50);

fn sum(a: SourceStatistics, b: SourceStatistics) -> SourceStatistics {
    SourceStatistics {
        missed: a.missed + b.missed,
        errors: a.errors + b.errors,
        no_buffer: a.no_buffer + b.no_buffer,
        filtered: a.filtered + b.filtered,
        handover_lost: a.handover_lost + b.handover_lost,
    }
}

impl Source for Following {
    fn receive<'s>(&'s mut self, burst: &mut Burst<'s>) -> Received {
        self.move_on();
        match self.current.receive(burst) {
            Received::Idle => {
                if self.worker == 0 {
                    self.guide.look(None);
                }
                Received::Idle
            }
            Received::Failed(sentence) => {
                self.guide.look(Some(&sentence));
                std::thread::sleep(SLEEP);
                Received::Idle
            }
            other => other,
        }
    }

    fn release(&mut self, strays: &[Stray]) {
        self.current.release(strays);
    }

    fn share(&self) -> Share {
        self.current.share()
    }

    fn pressure(&self) -> Pressure {
        self.current.pressure()
    }

    fn placement(&self) -> Placement {
        self.current.placement()
    }

    fn wall_ns(&mut self) -> Option<i64> {
        self.current.wall_ns()
    }

    fn statistics(&mut self) -> SourceStatistics {
        sum(self.before, self.current.statistics())
    }
}
