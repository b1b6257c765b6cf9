//! Time and randomness of this machine; everything above gets them as arguments (floor 1).

use crate::entry::Time;
use rustix::rand::GetRandomFlags;
use rustix::time::ClockId;
use std::io;

/// The wall clock as the file systems of this kernel see it.
pub fn now() -> Time {
    let t = rustix::time::clock_gettime(ClockId::Realtime);
    Time { seconds: t.tv_sec, nanoseconds: u32::try_from(t.tv_nsec).unwrap_or(0) }
}

/// A random number from the kernel.
pub fn random() -> io::Result<u128> {
    let mut bytes = [0_u8; 16];
    let mut filled = 0;
    while filled < bytes.len() {
        let rest = bytes.get_mut(filled..).unwrap_or_default();
        filled += rustix::rand::getrandom(rest, GetRandomFlags::empty())?;
    }
    Ok(u128::from_ne_bytes(bytes))
}

/// Longer than a tick of any kernel: two changes further apart than this have different times.
pub const TICK: std::time::Duration = std::time::Duration::from_millis(11);

/// The wall clock so long ago.
pub fn before(duration: std::time::Duration) -> Time {
    let now = now();
    let nanoseconds = i64::from(now.nanoseconds) - i64::from(duration.subsec_nanos());
    let borrow = i64::from(nanoseconds < 0);
    let seconds = now.seconds - i64::try_from(duration.as_secs()).unwrap_or(i64::MAX) - borrow;
    Time { seconds, nanoseconds: u32::try_from(nanoseconds + borrow * 1_000_000_000).unwrap_or(0) }
}

/// Waits out a tick and gives a time that is later than every change made before the call, and not later than any made after it. Where the
/// file system counts in whole seconds, the tick is one.
pub fn settled(is_coarse: bool) -> Time {
    if !is_coarse {
        std::thread::sleep(2 * TICK);
        return before(TICK);
    }
    let rest = 1_000_000_000_u32.saturating_sub(now().nanoseconds);
    std::thread::sleep(std::time::Duration::from_nanos(rest.into()) + 2 * TICK);
    Time { nanoseconds: 0, ..before(TICK) }
}

/// Name of this host, as `hostname` prints it.
pub fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// The user whom new files belong to.
pub fn effective_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// The group of new files.
pub fn effective_gid() -> u32 {
    rustix::process::getegid().as_raw()
}

/// Whether the program may give files away and read everything.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
