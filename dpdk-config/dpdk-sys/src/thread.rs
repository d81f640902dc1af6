// SPDX-License-Identifier: Apache-2.0
//! Worker threads: ordinary threads with an explicit CPU mask, registered with DPDK.
//!
//! Why not EAL's own lcore threads (`rte_eal_remote_launch`): those are created at EAL's start from `--lcores`, cannot
//! be created later, never end before the process does, have no join handle, and a panic on one would unwind into C. A
//! thread that calls `rte_thread_register` gets an lcore id of its own and with it the same mempool caches; it has a
//! name, a join handle and a mask of ours. There may be more of them than CPUs (up to DPDK's limit of 128 lcores, EAL's
//! included), and `--lcores 0@0,1@0,2@1` works as well: EAL's threads of lcores 1 and 2 then sleep in a pipe, and
//! [`crate::Eal::lcores`] gives their masks for the workers.
//!
//! When several workers share a CPU, create their pools with [`crate::MempoolHandler::RelaxedTail`]: the default
//! handler spins while another thread is inside the pool, which may be preempted.

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::mem;
use std::sync::mpsc;
use std::thread::{Builder, JoinHandle};

use crate::eal::live;
use crate::{Eal, Error, sys};

/// CPUs a mask can name, as in the C library's `cpu_set_t`.
const CPU_LIMIT: usize = libc::CPU_SETSIZE as usize;
/// Words of 64 CPUs in a mask.
const CPU_WORDS: usize = CPU_LIMIT / 64;

/// Starts a thread that is pinned to `cpus`, takes no signals, is registered with DPDK, and runs `body` with its lcore
/// id.
///
/// # Errors
/// When the thread cannot be created, pinned (a CPU of the mask is absent or not allowed) or registered. `body` has not
/// run then.
pub fn spawn_worker<T, F>(eal: &Eal, name: &str, cpus: &CpuSet, body: F) -> Result<Worker<T>, Error>
where
    T: Send + 'static,
    F: FnOnce(u32) -> T + Send + 'static,
{
    let eal = eal.share();
    let cpus = cpus.clone();
    let (ready, started) = mpsc::sync_channel::<Result<(), Error>>(1);
    let thread = Builder::new().name(name.to_owned()).spawn(move || {
        let registration = match prepare_thread(&eal, &cpus) {
            Ok(registration) => registration,
            Err(error) => {
                // The receiver waits below until this is sent.
                let _ = ready.send(Err(error));
                return None;
            }
        };
        let _ = ready.send(Ok(()));
        Some(body(registration.lcore_id()))
    });
    let thread = thread.map_err(|error| Error::new(format!("thread {name} cannot be created: {error}")))?;
    match started.recv() {
        Ok(Ok(())) => Ok(Worker { thread }),
        Ok(Err(error)) => {
            let _ = thread.join();
            Err(Error::new(format!("thread {name} cannot start: {error}")))
        }
        Err(_) => Err(Error::new(format!("thread {name} ended before it was ready"))),
    }
}

fn prepare_thread(eal: &Eal, cpus: &CpuSet) -> Result<Registration, Error> {
    block_signals().map_err(|error| Error::new(format!("its signal mask cannot be set: {error}")))?;
    cpus.pin_current_thread().map_err(|error| Error::new(format!("it cannot be pinned to CPUs {cpus}: {error}")))?;
    Registration::of_current_thread(eal)
}

/// A running worker thread.
#[derive(Debug)]
pub struct Worker<T> {
    thread: JoinHandle<Option<T>>,
}

impl<T> Worker<T> {
    /// Waits for the thread's end and gives what its body returned, or the payload of its panic.
    pub fn join(self) -> std::thread::Result<T> {
        self.thread.join()?.ok_or_else(|| Box::new("the thread never ran its body") as _)
    }

    /// Whether the thread has ended, so that [`Worker::join`] does not wait.
    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }
}

/// The current thread's registration with DPDK. It ends when this is dropped, on the same thread.
#[derive(Debug)]
pub struct Registration {
    lcore_id: u32,
    /// Whether this value registered the thread, so that its drop must undo it.
    owned: bool,
    not_send: PhantomData<*const ()>,
}

impl Registration {
    /// Registers the current thread. A thread that has an lcore id already, such as the one that started EAL, keeps it.
    ///
    /// # Errors
    /// When all lcore ids are taken, or secondary DPDK processes are attached.
    pub fn of_current_thread(_eal: &Eal) -> Result<Self, Error> {
        // SAFETY: reads a thread-local variable of EAL.
        let lcore_id = unsafe { sys::shim_lcore_id() };
        if u64::from(lcore_id) != sys::SHIM_LCORE_NONE {
            return Ok(Self { lcore_id, owned: false, not_send: PhantomData });
        }
        // SAFETY: EAL has started, and this thread is not registered.
        if unsafe { sys::rte_thread_register() } != 0 {
            return Err(Error::from_rte_errno(format!(
                "DPDK gives the thread no lcore id ({} ids for all threads of the process)",
                sys::SHIM_MAX_LCORES
            )));
        }
        live::add();
        // SAFETY: reads a thread-local variable of EAL.
        let lcore_id = unsafe { sys::shim_lcore_id() };
        Ok(Self { lcore_id, owned: true, not_send: PhantomData })
    }

    /// This thread's lcore id.
    pub fn lcore_id(&self) -> u32 {
        self.lcore_id
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        if self.owned {
            // SAFETY: this thread registered itself (the type is not Send) and EAL is up, since cleanup counts
            // registrations.
            unsafe { sys::rte_thread_unregister() };
            live::remove();
        }
    }
}

/// Blocks, on the current thread, all signals but those that a fault of the thread itself raises.
///
/// # Errors
/// The system's error.
pub fn block_signals() -> io::Result<()> {
    set_signal_mask(&asynchronous_signals()).map(|_| ())
}

/// All signals without the synchronous ones, whose blocking would turn a fault that EAL handles into the process's
/// death.
pub(crate) fn asynchronous_signals() -> libc::sigset_t {
    // SAFETY: sigset_t is plain data that sigfillset initialises; the signal numbers are valid.
    unsafe {
        let mut signals: libc::sigset_t = mem::zeroed();
        libc::sigfillset(&raw mut signals);
        for synchronous in [libc::SIGBUS, libc::SIGSEGV, libc::SIGFPE, libc::SIGILL, libc::SIGTRAP, libc::SIGABRT] {
            libc::sigdelset(&raw mut signals, synchronous);
        }
        signals
    }
}

/// Sets the current thread's mask of blocked signals and returns the one before.
pub(crate) fn set_signal_mask(signals: &libc::sigset_t) -> io::Result<libc::sigset_t> {
    // SAFETY: both sets are valid for the call, and the thread's mask is the only thing changed.
    unsafe {
        let mut before: libc::sigset_t = mem::zeroed();
        match libc::pthread_sigmask(libc::SIG_SETMASK, signals, &raw mut before) {
            0 => Ok(before),
            error => Err(io::Error::from_raw_os_error(error)),
        }
    }
}

/// A set of CPU numbers below 1024.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct CpuSet {
    words: [u64; CPU_WORDS],
}

impl CpuSet {
    /// The empty set.
    pub fn new() -> Self {
        Self { words: [0; CPU_WORDS] }
    }

    /// The CPUs the current thread may run on.
    ///
    /// # Errors
    /// The system's error, such as on a machine with more CPUs than the mask can name.
    pub fn of_current_thread() -> io::Result<Self> {
        let mut raw = Self::new().to_raw();
        // SAFETY: `raw` is a valid cpu_set_t of the size given; 0 is the current thread.
        if unsafe { libc::sched_getaffinity(0, mem::size_of::<libc::cpu_set_t>(), &raw mut raw) } != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Self::from_raw(&raw))
    }

    /// Restricts the current thread to these CPUs.
    ///
    /// # Errors
    /// When the set is empty, or has no CPU that is online and allowed; and, unlike the system call, when any of its
    /// CPUs is not.
    pub fn pin_current_thread(&self) -> io::Result<()> {
        self.apply()?;
        let in_force = Self::of_current_thread()?;
        let absent: Self = self.iter().filter(|&cpu| !in_force.contains(cpu)).collect();
        if absent.is_empty() {
            return Ok(());
        }
        Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("CPUs {absent} are not online or not allowed to this process"),
        ))
    }

    /// Sets the current thread's mask, which the kernel intersects with what is online and allowed.
    pub(crate) fn apply(&self) -> io::Result<()> {
        let raw = self.to_raw();
        // SAFETY: `raw` is a valid cpu_set_t of the size given; 0 is the current thread.
        match unsafe { libc::sched_setaffinity(0, mem::size_of::<libc::cpu_set_t>(), &raw const raw) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// Adds a CPU; false when the number is too large for a mask.
    pub fn insert(&mut self, cpu: usize) -> bool {
        match self.words.get_mut(cpu / 64) {
            Some(word) => {
                *word |= 1 << (cpu % 64);
                true
            }
            None => false,
        }
    }

    /// Whether the CPU is in the set.
    pub fn contains(&self, cpu: usize) -> bool {
        self.words.get(cpu / 64).is_some_and(|word| word & (1 << (cpu % 64)) != 0)
    }

    /// The CPUs in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        (0..CPU_LIMIT).filter(|&cpu| self.contains(cpu))
    }

    /// How many CPUs are in the set.
    pub fn len(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Whether the set is empty.
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|&word| word == 0)
    }

    /// The set of a bit for each CPU.
    pub(crate) fn from_words(words: [u64; CPU_WORDS]) -> Self {
        Self { words }
    }

    pub(crate) fn from_raw(raw: &libc::cpu_set_t) -> Self {
        // SAFETY: CPU_ISSET reads one bit of a valid set, and CPU_LIMIT is its size.
        (0..CPU_LIMIT).filter(|&cpu| unsafe { libc::CPU_ISSET(cpu, raw) }).collect()
    }

    fn to_raw(&self) -> libc::cpu_set_t {
        // SAFETY: cpu_set_t is plain data whose zero value is the empty set.
        let mut raw: libc::cpu_set_t = unsafe { mem::zeroed() };
        for cpu in self.iter() {
            // SAFETY: `cpu` is below the set's size.
            unsafe { libc::CPU_SET(cpu, &mut raw) };
        }
        raw
    }
}

impl Default for CpuSet {
    fn default() -> Self {
        Self::new()
    }
}

impl FromIterator<usize> for CpuSet {
    /// Numbers too large for a mask are left out.
    fn from_iter<I: IntoIterator<Item = usize>>(cpus: I) -> Self {
        let mut set = Self::new();
        for cpu in cpus {
            set.insert(cpu);
        }
        set
    }
}

impl fmt::Display for CpuSet {
    /// The kernel's list form, `0-3,8`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        let mut cpu = 0;
        while cpu < CPU_LIMIT {
            if !self.contains(cpu) {
                cpu += 1;
                continue;
            }
            let first = cpu;
            while self.contains(cpu) {
                cpu += 1;
            }
            match cpu - 1 {
                last if last == first => write!(formatter, "{separator}{first}")?,
                last => write!(formatter, "{separator}{first}-{last}")?,
            }
            separator = ",";
        }
        Ok(())
    }
}

impl fmt::Debug for CpuSet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "CpuSet({self})")
    }
}

#[cfg(test)]
mod tests;
