//! How many files and sockets the system lets this program have open at once.

/// Asks for so many, or for as many as may be had without being an administrator. If there are fewer, what cannot be
/// accepted waits.
#[cfg(unix)]
pub fn allow(wanted: u64) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    // None: as many as there are.
    if current.is_none_or(|current| current >= wanted) {
        return;
    }
    let most = maximum.map_or(wanted, |maximum| maximum.min(wanted));
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: Some(most), maximum }) {
        tracing::warn!(%error, wanted, "no more files can be open at once");
    }
}

/// Where there is no such limit.
#[cfg(not(unix))]
pub fn allow(_: u64) {}
