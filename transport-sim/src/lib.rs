//! Seeded faulty streams and disks: the second implementor of every seam of `truecopy-transport`.

pub mod clear;
pub mod disk;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
pub mod stream;
