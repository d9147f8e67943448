//! The real disk: a folder of this machine, confined.
//!
//! Everything that is specific to an operating system is in one module: `linux` holds file descriptors and lets the
//! kernel refuse every way out; `portable` uses `std::fs` alone. The portable one is tested on Linux only, and a
//! program that swaps folders for links while a transfer runs can win a race against it: it is *unverified*
//! elsewhere.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(any(not(target_os = "linux"), test))]
#[cfg_attr(target_os = "linux", allow(dead_code, unreachable_pub))]
mod portable;

#[cfg(target_os = "linux")]
pub use linux::{RealDisk, RealFile};
#[cfg(not(target_os = "linux"))]
pub use portable::{RealDisk, RealFile};

#[cfg(test)]
mod tests;
