//! The monotonic clock of a run, and civil time.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use truecopy_protocol::{Now, UnixTime};

/// Nanoseconds since the reactor was made. It may stand still while the machine is suspended: deadlines then count
/// the time that it was awake.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    origin: Instant,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self { origin: Instant::now() }
    }

    pub(crate) fn now(&self) -> Now {
        Now::from_nanos(u64::try_from(self.origin.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }
}

/// The civil time; the epoch itself on a machine whose clock stands before it.
pub(crate) fn civil() -> UnixTime {
    UnixTime(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()))
}
