// SPDX-License-Identifier: Apache-2.0
//! EAL, DPDK's environment abstraction layer: started once a process, with its log, signals and CPU mask kept under
//! control.
//!
//! What `rte_eal_init` does to its caller, and what [`Eal::init`] does about it: it sets the calling thread's CPU mask
//! to that of the main lcore (the mask is restored); it starts threads of its own that would take the process's signals
//! (they inherit a mask that blocks all but faults); it writes to standard error (see [`EalLog`]). It installs no
//! signal handlers that stay.

use std::ffi::{CStr, CString, c_char};
use std::os::fd::{IntoRawFd, OwnedFd};
use std::sync::Mutex;

use crate::thread::{CpuSet, asynchronous_signals, set_signal_mask};
use crate::{Error, Port, sys};

/// Whether EAL is up. A mutex, since starting and cleaning up take long and must exclude each other.
static STATE: Mutex<State> = Mutex::new(State::Down);

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Down,
    Up,
    CleanedUp,
}

/// Proof that EAL is up. Dropping it leaves EAL up; the system takes everything back at the process's end.
#[derive(Debug)]
pub struct Eal {
    _private: (),
}

impl Eal {
    /// Starts EAL with the given arguments, the program's name first (see [`crate::EalArguments`]).
    ///
    /// The calling thread becomes EAL's main lcore and keeps its CPU mask.
    ///
    /// # Errors
    /// When EAL is up already, was cleaned up before, or refuses; its log then says why in detail.
    pub fn init<S: AsRef<str>>(arguments: &[S], log: EalLog) -> Result<Self, Error> {
        let mut state = STATE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match *state {
            State::Down => {}
            State::Up => return Err(Error::new("EAL is up already: a process starts it once")),
            State::CleanedUp => return Err(Error::new("EAL was cleaned up: a process cannot start it again")),
        }
        let arguments = c_arguments(arguments)?;
        log.install()?;
        let cpus = CpuSet::of_current_thread()
            .map_err(|error| Error::new(format!("the CPU mask of the starting thread cannot be read: {error}")))?;
        let signals = set_signal_mask(&asynchronous_signals())
            .map_err(|error| Error::new(format!("signals cannot be blocked for EAL's threads: {error}")))?;
        let result = start(arguments);
        // Neither can fail with values that were in force a moment ago, unless the CPU has gone offline since.
        let _ = set_signal_mask(&signals);
        let _ = cpus.apply();
        result?;
        *state = State::Up;
        Ok(Self { _private: () })
    }

    /// Another proof of the same EAL, for another thread.
    pub fn share(&self) -> Self {
        Self { _private: () }
    }

    /// Whether EAL runs on huge pages.
    pub fn has_huge_pages(&self) -> bool {
        // SAFETY: reads EAL's configuration.
        unsafe { sys::rte_eal_has_hugepages() != 0 }
    }

    /// EAL's lcores (`--lcores`), with the CPUs each is mapped to, in ascending order of their ids.
    pub fn lcores(&self) -> Vec<Lcore> {
        // SAFETY: reads a variable of EAL's configuration.
        let main = unsafe { sys::rte_get_main_lcore() };
        (0..sys::SHIM_MAX_LCORES as u32).filter_map(|id| lcore(id, main)).collect()
    }

    /// Creates or probes a device while EAL runs: a virtual device such as `net_pcap0,rx_pcap=x.pcap`, or a PCI
    /// address.
    ///
    /// # Errors
    /// When no driver takes the device or the driver refuses its arguments.
    pub fn attach(&self, device: &str) -> Result<(), Error> {
        let argument =
            CString::new(device).map_err(|_| Error::new(format!("device {device:?} contains a zero byte")))?;
        // SAFETY: EAL is up and the string lives through the call; DPDK copies it.
        match unsafe { sys::rte_dev_probe(argument.as_ptr()) } {
            0 => Ok(()),
            code => Err(Error::from_code(format!("device {device} cannot be attached"), code)),
        }
    }

    /// Takes EAL down: unmaps its memory, closes its devices' files, removes its runtime files. Not needed before the
    /// process's end.
    ///
    /// # Errors
    /// While a port, queue, ring, filter or registered thread of this crate is alive, or a pool's mbuf is in use.
    ///
    /// # Safety
    /// No [`crate::Mbuf`] or non-empty [`crate::Burst`] exists any more on any thread, no other [`Eal`] or
    /// [`crate::Mempool`] handle is used afterwards, and no other code of the process uses DPDK.
    pub unsafe fn cleanup(self) -> Result<(), Error> {
        let mut state = STATE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if *state != State::Up {
            return Err(Error::new("EAL was cleaned up already"));
        }
        match live::count() {
            0 => {}
            objects => {
                return Err(Error::new(format!(
                    "EAL cannot be cleaned up: {objects} of its ports, queues, rings, filters or threads are alive"
                )));
            }
        }
        *state = State::CleanedUp;
        // SAFETY: the caller's promise covers mbufs and pools, and the count all else.
        match unsafe { sys::rte_eal_cleanup() } {
            0 => Ok(()),
            code => Err(Error::from_code("EAL's cleanup failed", code)),
        }
    }

    /// All ports that are not claimed by another owner such as a bond, with what their drivers say of them.
    pub fn ports(&self) -> Vec<crate::PortInformation> {
        Port::list(self)
    }
}

/// The arguments as C strings.
fn c_arguments<S: AsRef<str>>(arguments: &[S]) -> Result<Vec<CString>, Error> {
    if arguments.is_empty() {
        return Err(Error::new("EAL needs at least the program's name as its first argument"));
    }
    arguments
        .iter()
        .map(|argument| {
            CString::new(argument.as_ref())
                .map_err(|_| Error::new(format!("EAL argument {:?} contains a zero byte", argument.as_ref())))
        })
        .collect()
}

fn start(arguments: Vec<CString>) -> Result<(), Error> {
    let shown: Vec<String> = arguments.iter().map(|argument| argument.to_string_lossy().into_owned()).collect();
    let mut pointers: Vec<*mut c_char> = arguments.into_iter().map(CString::into_raw).collect();
    let count = i32::try_from(pointers.len()).map_err(|_| Error::new("EAL was given too many arguments"))?;
    pointers.push(std::ptr::null_mut());
    // EAL reorders the list and keeps pointers into the strings, so both are given away: they live as long as the
    // process.
    let pointers = pointers.leak();
    // SAFETY: `pointers` is a null-terminated argument vector of `count` strings that are never freed, and STATE
    // excludes a second call.
    if unsafe { sys::rte_eal_init(count, pointers.as_mut_ptr()) } >= 0 {
        return Ok(());
    }
    Err(Error::from_rte_errno(format!("EAL did not start with arguments `{}`; its log says why", shown.join(" "))))
}

fn lcore(id: u32, main: u32) -> Option<Lcore> {
    let mut words = [0_u64; sys::SHIM_CPU_WORDS as usize];
    // SAFETY: the array has the size that the shim fills; any number is accepted.
    if unsafe { sys::shim_lcore_cpus(id, words.as_mut_ptr()) } != 0 {
        return None;
    }
    // SAFETY: `id` is an lcore of EAL's.
    let socket = unsafe { sys::rte_lcore_to_socket_id(id) };
    Some(Lcore { id, cpus: CpuSet::from_words(words), socket, is_main: id == main })
}

/// One of EAL's lcores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lcore {
    /// Its number in EAL.
    pub id: u32,
    /// The CPUs it is mapped to.
    pub cpus: CpuSet,
    /// Its NUMA socket.
    pub socket: u32,
    /// Whether it is the lcore of the thread that started EAL.
    pub is_main: bool,
}

/// Where EAL's log goes. What is logged is a matter of `--log-level`.
#[derive(Debug)]
pub enum EalLog {
    /// Standard error and syslog, EAL's default.
    StandardError,
    /// A file or pipe, a line at a time. A pipe must be read, or EAL waits when it is full.
    Descriptor(OwnedFd),
    /// Nowhere.
    Discard,
}

impl EalLog {
    fn install(self) -> Result<(), Error> {
        let descriptor = match self {
            Self::StandardError => return Ok(()),
            Self::Descriptor(descriptor) => descriptor,
            Self::Discard => std::fs::OpenOptions::new()
                .append(true)
                .open("/dev/null")
                .map_err(|error| Error::new(format!("/dev/null cannot be opened for EAL's log: {error}")))?
                .into(),
        };
        // SAFETY: the descriptor is open and the C stream becomes its owner.
        match unsafe { sys::shim_log_to_descriptor(descriptor.into_raw_fd()) } {
            0 => Ok(()),
            _ => Err(Error::new(format!("EAL's log cannot be redirected: {}", std::io::Error::last_os_error()))),
        }
    }
}

/// The version of the DPDK that runs, such as `DPDK 22.11.11`.
pub fn dpdk_version() -> String {
    // SAFETY: rte_version returns a static string.
    unsafe { CStr::from_ptr(sys::rte_version()) }.to_string_lossy().into_owned()
}

/// How many objects are alive that use EAL and that only this crate makes. Changed off the packet path alone.
pub(crate) mod live {
    use std::sync::atomic::{AtomicUsize, Ordering};

    static OBJECTS: AtomicUsize = AtomicUsize::new(0);

    pub(crate) fn add() {
        OBJECTS.fetch_add(1, Ordering::AcqRel);
    }

    pub(crate) fn remove() {
        OBJECTS.fetch_sub(1, Ordering::AcqRel);
    }

    pub(crate) fn count() -> usize {
        OBJECTS.load(Ordering::Acquire)
    }
}
