// SPDX-License-Identifier: Apache-2.0
//! One TCP connection (RFC 9293): both directions in order, with gaps told.
//!
//! Sequence numbers are followed per direction from the SYN, or from the first segment seen (mid-stream start). Two kinds of
//! segments are held: early ones, before which bytes are missing, and answers, whose sender had received bytes of the other
//! direction that have not been seen yet. A capture whose directions came by different ways is put in order by that, and
//! one that lost a question does not give its answer to the next one. A hole becomes a gap when the other end has it and
//! answered, when it has acknowledged the missing bytes and they still do not come within [`Limits::late_segments`] or
//! [`Limits::late_ns`], when a bound is reached, or when the stream ends.

use super::held::{HeldIndex, HeldPool, NONE};
use super::{AfterGap, Direction, End, Limits, Receiver, Step, StreamCounters};

/// What of a segment matters here.
#[derive(Clone, Copy, Debug)]
pub struct Segment<'a> {
    pub direction: Direction,
    pub sequence: u32,
    /// None when the ACK flag is not set.
    pub acknowledgement: Option<u32>,
    pub syn: bool,
    pub fin: bool,
    pub reset: bool,
    pub payload: &'a [u8],
    /// Payload bytes that the capture cut off.
    pub cut_bytes: u32,
    pub time_ns: i64,
}

/// State of a connection. Small while nothing is pending: the buffers are empty vectors.
pub struct Connection {
    halves: [Half; 2],
}

struct Half {
    phase: Phase,
    /// Sequence number of the SYN, when it was seen.
    initial: Option<u32>,
    /// Sequence number of the next byte in order.
    next: u32,
    /// Unconsumed bytes that end at `next`.
    pending: Vec<u8>,
    /// Bytes that must be pending before the receiver is called.
    need: usize,
    /// When the last bytes were given.
    given_ns: i64,
    held_first: HeldIndex,
    held_bytes: usize,
    /// Segments of this direction since the hole was acknowledged by the other end.
    late_segments: u32,
    /// When the hole opened, and when the other end acknowledged bytes in it.
    hole_ns: i64,
    acknowledged_ns: Option<i64>,
    /// How far the other end has acknowledged.
    acknowledged: Option<u32>,
    /// Where the sender stood in its last segment without data.
    sent: Option<u32>,
    /// Sequence number of the FIN, when it is known.
    fin: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Nothing seen.
    Fresh,
    Running,
    /// The receiver wants no more bytes of this connection.
    Ignored,
    Ended,
}

/// What a connection works with: lent by the worker for each call.
pub struct Lent<'a, R: Receiver> {
    pub receiver: &'a mut R,
    pub pool: &'a mut HeldPool,
    pub limits: &'a Limits,
    pub counters: &'a mut StreamCounters,
}

/// How far behind the SYN a connection may have been joined.
const LATE_SYN_BYTES: i32 = 1 << 20;
/// Held segments that an early one may lie behind: each costs time to pass.
const MAX_PASSED: usize = 1024;

/// Whether `a` lies before `b` in the sequence space.
fn before(a: u32, b: u32) -> bool {
    (a.wrapping_sub(b) as i32) < 0
}

impl Default for Connection {
    fn default() -> Connection {
        Connection { halves: [Half::new(), Half::new()] }
    }
}

impl Connection {
    pub fn is_over(&self) -> bool {
        self.halves.iter().all(|half| half.phase == Phase::Ended)
    }

    /// Whether the receiver gave up.
    pub fn is_ignored(&self) -> bool {
        self.halves.iter().any(|half| half.phase == Phase::Ignored)
    }

    /// Whether a SYN begins another connection of the same ports. A repeated one has the number of the first.
    pub fn is_new_connection(&self, segment: &Segment<'_>) -> bool {
        let half = &self.halves[segment.direction as usize];
        if !segment.syn || segment.reset || segment.acknowledgement.is_some() || half.initial == Some(segment.sequence)
        {
            return false;
        }
        match half.phase {
            Phase::Fresh => self.halves.iter().all(|half| half.phase == Phase::Ended),
            // A late SYN of this connection lies shortly before what has been seen since.
            Phase::Running => {
                let distance = segment.sequence.wrapping_add(1).wrapping_sub(half.next) as i32;
                half.initial.is_some() || !(-LATE_SYN_BYTES..=0).contains(&distance)
            }
            Phase::Ignored | Phase::Ended => true,
        }
    }

    /// Takes a segment in.
    pub fn segment<R: Receiver>(&mut self, segment: &Segment<'_>, lent: &mut Lent<'_, R>) {
        self.acknowledged(segment);
        let half = &mut self.halves[segment.direction as usize];
        let length = segment.payload.len() as u32;
        match half.phase {
            Phase::Fresh => {
                if segment.reset {
                    lent.counters.ignored_bytes += u64::from(length);
                    return self.reset(lent);
                }
                half.phase = Phase::Running;
                half.initial = segment.syn.then_some(segment.sequence);
                half.next = segment.sequence.wrapping_add(u32::from(segment.syn));
            }
            Phase::Running => {}
            Phase::Ignored | Phase::Ended => {
                lent.counters.ignored_bytes += u64::from(length);
                if segment.reset {
                    self.reset(lent);
                } else if segment.fin && half.phase == Phase::Ignored {
                    half.phase = Phase::Ended;
                }
                return;
            }
        }
        let sequence = segment.sequence.wrapping_add(u32::from(segment.syn));
        if length == 0 {
            half.sent = Some(sequence);
        }
        if segment.reset {
            lent.counters.ignored_bytes += u64::from(length);
            return self.reset(lent);
        }
        if segment.fin {
            half.fin = Some(sequence.wrapping_add(length).wrapping_add(segment.cut_bytes));
        }
        if length > 0 || segment.cut_bytes > 0 {
            let first = (half.held_first != NONE).then(|| lent.pool.get(half.held_first).sequence);
            let follows = !before(half.next, sequence) && first.is_none_or(|first| before(half.next, first));
            // What the capture cut off is known to be missing at once.
            let is_due = segment.cut_bytes > 0 || self.has_been_seen(segment.direction, segment.acknowledgement);
            if follows && is_due {
                self.halves[segment.direction as usize].in_order(segment, sequence, lent);
            } else {
                self.hold(segment, sequence, lent);
            }
        } else if before(half.next, sequence) && half.held_first == NONE && !segment.fin {
            // Its sender has sent what was not seen. Who waits for that waits in vain.
            while self.halves[segment.direction as usize].misses_bytes_before(sequence)
                && self.waits_for_other(segment.direction.opposite(), lent.pool)
            {
                self.open_gap(segment.direction, sequence, lent);
                self.progress(segment.time_ns, lent);
            }
        }
        self.progress(segment.time_ns, lent);
    }

    /// Gives what the last receiver left to another one.
    pub fn give_again<R: Receiver>(&mut self, direction: Direction, time_ns: i64, lent: &mut Lent<'_, R>) {
        let half = &mut self.halves[direction as usize];
        half.need = 0;
        if half.phase == Phase::Running && !half.pending.is_empty() {
            let pending = std::mem::take(&mut half.pending);
            let step = lent.receiver.data(direction, &pending, time_ns);
            half.keep_of_pending(step, pending, lent);
        }
    }

    /// What went to the server goes to the client.
    pub fn turn(&mut self) {
        self.halves.swap(0, 1);
    }

    /// Tells the receiver the end of the directions that have not ended, holes first.
    pub fn finish<R: Receiver>(&mut self, lent: &mut Lent<'_, R>) {
        self.close(End::Expired, lent);
    }

    /// Releases what is held without telling anybody.
    pub fn discard(&mut self, pool: &mut HeldPool) {
        for half in &mut self.halves {
            half.release_held(pool);
            pool.give_spare(std::mem::take(&mut half.pending));
            *half = Half::new();
        }
    }

    fn reset<R: Receiver>(&mut self, lent: &mut Lent<'_, R>) {
        self.close(End::Reset, lent);
    }

    fn close<R: Receiver>(&mut self, end: End, lent: &mut Lent<'_, R>) {
        while let Some(direction) = self.oldest(lent.pool, |_| true) {
            self.force(direction, lent);
        }
        for direction in BOTH {
            let half = &mut self.halves[direction as usize];
            // What the other end had, or what was sent before the end, was not seen. One byte is the end itself.
            let acknowledged = half.acknowledged.filter(|number| *number != half.next.wrapping_add(1));
            let last = half.fin.or_else(|| {
                [acknowledged, half.sent].into_iter().flatten().find(|last| half.misses_bytes_before(*last))
            });
            if let Some(last) = last {
                half.gap_before(direction, last, lent);
            }
        }
        for direction in BOTH {
            let half = &mut self.halves[direction as usize];
            match half.phase {
                Phase::Running | Phase::Fresh => half.finish(direction, end, lent),
                Phase::Ignored => half.phase = Phase::Ended,
                Phase::Ended => {}
            }
        }
    }

    /// Keeps a segment until it is its turn.
    fn hold<R: Receiver>(&mut self, segment: &Segment<'_>, sequence: u32, lent: &mut Lent<'_, R>) {
        let payload = segment.payload;
        if payload.is_empty() {
            return;
        }
        let half = &mut self.halves[segment.direction as usize];
        let end = sequence.wrapping_add(payload.len() as u32);
        if !before(half.next, end) {
            lent.counters.repeated_bytes += payload.len() as u64;
            return;
        }
        if half.held_first == NONE {
            half.hole_ns = segment.time_ns;
            half.late_segments = 0;
        }
        half.late_segments += 1;
        lent.counters.early_segments += 1;
        let distance = if before(half.next, sequence) { sequence.wrapping_sub(half.next) as usize } else { 0 };
        let full = half.held_bytes + payload.len() > lent.limits.held_bytes_per_direction
            || distance > lent.limits.held_bytes_per_direction * 16;
        if full {
            // Too much is waiting for this hole: everything that is held comes first, then this segment.
            return self.give_up_holes(segment, sequence, lent);
        }
        // Find the place by sequence number; of what is there already only the longer one is kept.
        let mut previous = NONE;
        let mut current = half.held_first;
        let mut passed = 0;
        while current != NONE && !before(sequence, lent.pool.get(current).sequence) {
            passed += 1;
            if passed > MAX_PASSED {
                return self.give_up_holes(segment, sequence, lent);
            }
            let held = lent.pool.get(current);
            if held.sequence == sequence && held.bytes.len() >= payload.len() {
                lent.counters.repeated_bytes += payload.len() as u64;
                return;
            }
            previous = current;
            current = held.next;
        }
        match lent.pool.hold(sequence, segment.acknowledgement, segment.time_ns, payload) {
            Some(index) => {
                lent.counters.copied_bytes += payload.len() as u64;
                lent.pool.get_mut(index).next = current;
                match previous {
                    NONE => half.held_first = index,
                    previous => lent.pool.get_mut(previous).next = index,
                }
                half.held_bytes += payload.len();
            }
            None => self.give_up_holes(segment, sequence, lent),
        }
    }

    /// Gives all that is held before a segment, then the segment, with gaps where bytes are missing.
    fn give_up_holes<R: Receiver>(&mut self, segment: &Segment<'_>, sequence: u32, lent: &mut Lent<'_, R>) {
        let direction = segment.direction;
        while self.holds_before(direction, sequence.wrapping_add(1), lent.pool) {
            self.force(direction, lent);
        }
        let other = direction.opposite();
        while let Some(number) = segment.acknowledgement
            && !self.has_been_seen(direction, Some(number))
        {
            match self.holds_before(other, number, lent.pool) {
                true => self.force(other, lent),
                false => self.open_gap(other, number, lent),
            }
        }
        while self.halves[direction as usize].misses_bytes_before(sequence) {
            self.open_gap(direction, sequence, lent);
            self.release_due(lent);
        }
        let half = &mut self.halves[direction as usize];
        half.give_new(direction, (sequence, segment.time_ns), segment.payload, lent);
        half.acknowledged_ns = None;
        half.late_segments = 0;
        half.hole_ns = segment.time_ns;
    }

    /// Whether a held segment of a direction begins before a sequence number.
    fn holds_before(&self, direction: Direction, sequence: u32, pool: &HeldPool) -> bool {
        let first = self.halves[direction as usize].held_first;
        first != NONE && before(pool.get(first).sequence, sequence)
    }

    fn release_due<R: Receiver>(&mut self, lent: &mut Lent<'_, R>) {
        while let Some(direction) = self.oldest(lent.pool, |candidate| self.is_due(candidate, lent.pool)) {
            self.halves[direction as usize].release_first(direction, lent);
        }
    }

    /// The acknowledgement of a segment says what of the other direction has arrived.
    fn acknowledged(&mut self, segment: &Segment<'_>) {
        let Some(acknowledgement) = segment.acknowledgement else { return };
        let half = &mut self.halves[segment.direction.opposite() as usize];
        if half.phase != Phase::Running {
            return;
        }
        if half.acknowledged.is_none_or(|known| before(known, acknowledgement)) {
            half.acknowledged = Some(acknowledgement);
        }
        if half.held_first != NONE && before(half.next, acknowledgement) && half.acknowledged_ns.is_none() {
            half.acknowledged_ns = Some(segment.time_ns);
            half.late_segments = 0;
        }
    }

    /// Gives all that can be given now, the oldest first, and gives up holes that are lost.
    fn progress<R: Receiver>(&mut self, time_ns: i64, lent: &mut Lent<'_, R>) {
        while self.halves.iter().any(Half::has_something_to_do) {
            if let Some(direction) = self.oldest(lent.pool, |candidate| self.is_due(candidate, lent.pool)) {
                self.halves[direction as usize].release_first(direction, lent);
            } else if let Some(direction) = self.lost(time_ns, lent) {
                let sequence = lent.pool.get(self.halves[direction as usize].held_first).sequence;
                self.open_gap(direction, sequence, lent);
            } else if let Some(direction) =
                self.oldest(lent.pool, |candidate| self.waits_in_vain(candidate, time_ns, lent))
            {
                self.force(direction, lent);
            } else if let Some(direction) = BOTH.into_iter().find(|place| self.halves[*place as usize].is_over()) {
                self.halves[direction as usize].finish(direction, End::Fin, lent);
            } else {
                break;
            }
        }
    }

    /// The direction with the oldest first held segment of those that qualify.
    fn oldest(&self, pool: &HeldPool, qualifies: impl Fn(Direction) -> bool) -> Option<Direction> {
        let time_ns = |direction: &Direction| pool.get(self.halves[*direction as usize].held_first).time_ns;
        BOTH.into_iter()
            .filter(|direction| self.halves[*direction as usize].held_first != NONE && qualifies(*direction))
            .min_by_key(time_ns)
    }

    /// Whether the first held segment of a direction can be given.
    fn is_due(&self, direction: Direction, pool: &HeldPool) -> bool {
        let held = pool.get(self.halves[direction as usize].held_first);
        !before(self.halves[direction as usize].next, held.sequence)
            && self.has_been_seen(direction, held.acknowledgement)
    }

    /// Whether the first held segment of a direction only waits for the other one, and has done so for too long.
    fn waits_in_vain<R: Receiver>(&self, direction: Direction, time_ns: i64, lent: &Lent<'_, R>) -> bool {
        let held = lent.pool.get(self.halves[direction as usize].held_first);
        !before(self.halves[direction as usize].next, held.sequence)
            && time_ns.saturating_sub(held.time_ns) >= lent.limits.late_ns
    }

    /// Comes a step nearer to giving the first held segment of a direction: gives up a hole before it, in what its sender had
    /// received or in its own direction, or gives it.
    fn force<R: Receiver>(&mut self, direction: Direction, lent: &mut Lent<'_, R>) {
        let held = lent.pool.get(self.halves[direction as usize].held_first);
        let (sequence, acknowledgement) = (held.sequence, held.acknowledgement);
        let other = &self.halves[direction.opposite() as usize];
        let other_first = (other.held_first != NONE).then(|| lent.pool.get(other.held_first).sequence);
        let own_hole = self.halves[direction as usize].misses_bytes_before(sequence);
        let hole_before = acknowledgement.filter(|_| !self.has_been_seen(direction, acknowledgement));
        match hole_before {
            // What of the other direction is there waits for this segment's own hole, or comes first.
            Some(number) if other_first.is_none_or(|first| before(other.next, first)) => {
                let until = other_first.filter(|first| before(*first, number)).unwrap_or(number);
                self.open_gap(direction.opposite(), until, lent);
            }
            _ if own_hole => self.open_gap(direction, sequence, lent),
            Some(_) if self.is_due(direction.opposite(), lent.pool) => {
                self.halves[direction.opposite() as usize].release_first(direction.opposite(), lent);
            }
            _ => self.halves[direction as usize].release_first(direction, lent),
        }
    }

    /// Tells a gap up to a sequence number, or less: up to where the next held segment of the other direction was sent, which
    /// comes between what is missing.
    fn open_gap<R: Receiver>(&mut self, direction: Direction, until: u32, lent: &mut Lent<'_, R>) {
        let half = &self.halves[direction as usize];
        let other = &self.halves[direction.opposite() as usize];
        let sent = match other.held_first {
            NONE => None,
            first => lent.pool.get(first).acknowledgement,
        };
        let until = sent.filter(|sent| before(half.next, *sent) && before(*sent, until)).unwrap_or(until);
        self.halves[direction as usize].gap_before(direction, until, lent);
    }

    /// Whether all that the sender of a segment had received has been given.
    fn has_been_seen(&self, direction: Direction, acknowledgement: Option<u32>) -> bool {
        let other = &self.halves[direction.opposite() as usize];
        other.phase != Phase::Running || acknowledgement.is_none_or(|number| !before(other.next, number))
    }

    /// The direction whose hole comes first of those that will not be filled: the one behind which somebody does not wait for
    /// the other.
    fn lost<R: Receiver>(&self, time_ns: i64, lent: &Lent<'_, R>) -> Option<Direction> {
        let lost = BOTH.into_iter().filter(|direction| self.is_lost(*direction, time_ns, lent));
        lost.min_by_key(|direction| self.waits_for_other(*direction, lent.pool))
    }

    /// Whether the first held segment of a direction waits for bytes of the other one.
    fn waits_for_other(&self, direction: Direction, pool: &HeldPool) -> bool {
        let first = self.halves[direction as usize].held_first;
        first != NONE && !self.has_been_seen(direction, pool.get(first).acknowledgement)
    }

    /// Whether what is missing before the first held segment will not come.
    fn is_lost<R: Receiver>(&self, direction: Direction, time_ns: i64, lent: &Lent<'_, R>) -> bool {
        let half = &self.halves[direction as usize];
        if half.held_first == NONE || half.phase != Phase::Running {
            return false;
        }
        let sequence = lent.pool.get(half.held_first).sequence;
        let arrived = half.acknowledged.is_some_and(|number| !before(number, sequence));
        let is_waited_for = self.halves[direction.opposite() as usize].held_first != NONE;
        before(half.next, sequence) && (arrived && is_waited_for || half.is_late(time_ns, lent.limits))
    }
}

const BOTH: [Direction; 2] = [Direction::ToServer, Direction::ToClient];

impl Half {
    fn new() -> Half {
        Half {
            phase: Phase::Fresh,
            initial: None,
            next: 0,
            pending: Vec::new(),
            need: 0,
            given_ns: i64::MIN,
            held_first: NONE,
            held_bytes: 0,
            late_segments: 0,
            hole_ns: 0,
            acknowledged_ns: None,
            acknowledged: None,
            sent: None,
            fin: None,
        }
    }

    fn has_something_to_do(&self) -> bool {
        self.held_first != NONE || self.is_over()
    }

    /// Whether all up to the FIN has been given.
    fn is_over(&self) -> bool {
        self.phase == Phase::Running && self.held_first == NONE && self.fin.is_some_and(|fin| !before(self.next, fin))
    }

    /// A segment of which the next byte is known to be part, or that repeats bytes.
    fn in_order<R: Receiver>(&mut self, segment: &Segment<'_>, sequence: u32, lent: &mut Lent<'_, R>) {
        self.give_new(segment.direction, (sequence, segment.time_ns), segment.payload, lent);
        let end = sequence.wrapping_add(segment.payload.len() as u32).wrapping_add(segment.cut_bytes);
        if segment.cut_bytes > 0 && before(self.next, end) && self.phase == Phase::Running {
            self.gap(segment.direction, u64::from(end.wrapping_sub(self.next)), lent);
        }
    }

    fn misses_bytes_before(&self, sequence: u32) -> bool {
        self.phase == Phase::Running && before(self.next, sequence)
    }

    fn gap_before<R: Receiver>(&mut self, direction: Direction, sequence: u32, lent: &mut Lent<'_, R>) {
        if self.misses_bytes_before(sequence) {
            self.gap(direction, u64::from(sequence.wrapping_sub(self.next)), lent);
        }
    }

    /// Gives the first held segment, or what of it is new.
    fn release_first<R: Receiver>(&mut self, direction: Direction, lent: &mut Lent<'_, R>) {
        let index = self.held_first;
        let held = lent.pool.get(index);
        // Behind a gap it was not waiting for anything that came.
        let (sequence, time_ns) = (held.sequence, held.time_ns.max(self.given_ns));
        self.held_first = held.next;
        self.held_bytes -= held.bytes.len();
        let bytes = lent.pool.take_bytes(index);
        self.give_new(direction, (sequence, time_ns), &bytes, lent);
        lent.pool.put_back(index, bytes);
        self.acknowledged_ns = None;
        self.late_segments = 0;
    }

    /// Gives what of these bytes, which begin at or before `next`, was not given before.
    fn give_new<R: Receiver>(
        &mut self,
        direction: Direction,
        (sequence, time_ns): (u32, i64),
        bytes: &[u8],
        lent: &mut Lent<'_, R>,
    ) {
        let seen = self.next.wrapping_sub(sequence) as usize;
        let fresh = bytes.get(seen..).unwrap_or_default();
        lent.counters.repeated_bytes += (bytes.len() - fresh.len()) as u64;
        if self.phase == Phase::Running && !fresh.is_empty() {
            self.deliver(direction, fresh, time_ns, lent);
        } else {
            lent.counters.ignored_bytes += fresh.len() as u64;
        }
    }

    /// Whether the hole before the first held segment has been open for too long.
    fn is_late(&self, time_ns: i64, limits: &Limits) -> bool {
        match self.acknowledged_ns {
            Some(since_ns) => {
                self.late_segments >= limits.late_segments || time_ns.saturating_sub(since_ns) >= limits.late_ns
            }
            None => time_ns.saturating_sub(self.hole_ns) >= limits.unacknowledged_ns,
        }
    }

    /// Gives bytes that begin at `next`.
    fn deliver<R: Receiver>(&mut self, direction: Direction, bytes: &[u8], time_ns: i64, lent: &mut Lent<'_, R>) {
        self.given_ns = time_ns;
        self.next = self.next.wrapping_add(bytes.len() as u32);
        lent.counters.delivered_bytes += bytes.len() as u64;
        if self.pending.is_empty() && self.need <= bytes.len() {
            let step = lent.receiver.data(direction, bytes, time_ns);
            self.keep(step, bytes, lent);
            return;
        }
        lent.counters.copied_bytes += bytes.len() as u64;
        self.append_pending(bytes, lent);
        if self.pending.len() >= self.need {
            let pending = std::mem::take(&mut self.pending);
            let step = lent.receiver.data(direction, &pending, time_ns);
            self.keep_of_pending(step, pending, lent);
        }
        self.bound_pending(lent);
    }

    /// Keeps what the receiver left of a slice of the packet.
    fn keep<R: Receiver>(&mut self, step: Step, bytes: &[u8], lent: &mut Lent<'_, R>) {
        self.need = 0;
        match step {
            Step::All => {}
            Step::Consumed { bytes: done, need } => {
                let rest = bytes.get(done..).unwrap_or_default();
                if !rest.is_empty() {
                    lent.counters.copied_bytes += rest.len() as u64;
                    self.append_pending(rest, lent);
                }
                // A receiver that wants what it has already would be called for ever.
                self.need = need.max(rest.len() + 1);
                self.bound_pending(lent);
            }
            Step::Resynchronise => lent.counters.discarded_bytes += bytes.len() as u64,
            Step::NotMine => self.ignore(bytes.len(), lent),
        }
    }

    /// The same for the buffer itself, which is used again.
    fn keep_of_pending<R: Receiver>(&mut self, step: Step, mut pending: Vec<u8>, lent: &mut Lent<'_, R>) {
        let length = pending.len();
        self.need = 0;
        match step {
            Step::All => pending.clear(),
            Step::Consumed { bytes: done, need } => {
                pending.drain(..done.min(length));
                self.need = need.max(pending.len() + 1);
            }
            Step::Resynchronise => {
                lent.counters.discarded_bytes += length as u64;
                pending.clear();
            }
            Step::NotMine => {
                self.ignore(length, lent);
                pending.clear();
            }
        }
        match pending.is_empty() {
            true => lent.pool.give_spare(pending),
            false => self.pending = pending,
        }
    }

    fn append_pending<R: Receiver>(&mut self, bytes: &[u8], lent: &mut Lent<'_, R>) {
        if self.pending.capacity() == 0 {
            self.pending = lent.pool.take_spare();
        }
        self.pending.extend_from_slice(bytes);
    }

    fn bound_pending<R: Receiver>(&mut self, lent: &mut Lent<'_, R>) {
        if self.pending.len() > lent.limits.pending_bytes || self.need > lent.limits.pending_bytes {
            lent.counters.discarded_bytes += self.pending.len() as u64;
            lent.pool.give_spare(std::mem::take(&mut self.pending));
            self.need = 0;
        }
    }

    fn ignore<R: Receiver>(&mut self, bytes: usize, lent: &mut Lent<'_, R>) {
        lent.counters.discarded_bytes += bytes as u64;
        self.phase = Phase::Ignored;
        lent.counters.ignored_bytes += self.release_held(lent.pool);
    }

    fn gap<R: Receiver>(&mut self, direction: Direction, missing_bytes: u64, lent: &mut Lent<'_, R>) {
        lent.counters.gaps += 1;
        lent.counters.gap_bytes += missing_bytes;
        self.next = self.next.wrapping_add(missing_bytes as u32);
        let pending = std::mem::take(&mut self.pending);
        self.need = 0;
        match lent.receiver.gap(direction, &pending, missing_bytes, self.given_ns) {
            AfterGap::Continue => {}
            AfterGap::Restart => lent.counters.discarded_bytes += pending.len() as u64,
        }
        lent.pool.give_spare(pending);
    }

    fn finish<R: Receiver>(&mut self, direction: Direction, end: End, lent: &mut Lent<'_, R>) {
        self.phase = Phase::Ended;
        let pending = std::mem::take(&mut self.pending);
        lent.receiver.end(direction, &pending, end);
        lent.pool.give_spare(pending);
        lent.counters.ignored_bytes += self.release_held(lent.pool);
    }

    /// Gives the held segments up; answers their bytes.
    fn release_held(&mut self, pool: &mut HeldPool) -> u64 {
        while self.held_first != NONE {
            let next = pool.get(self.held_first).next;
            pool.release(self.held_first);
            self.held_first = next;
        }
        std::mem::take(&mut self.held_bytes) as u64
    }
}
