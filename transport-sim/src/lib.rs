//! Seeded faulty streams and disks: the second implementor of every seam of `truecopy-transport`.

pub mod clear;
pub mod content;
pub mod disk;
pub mod report;
pub mod story;
pub mod stream;
pub mod tls;
