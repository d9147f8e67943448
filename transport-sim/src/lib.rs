//! Seeded faulty streams and disks: the second implementor of every seam of `truecopy-transport`.

pub mod clear;
pub mod datagram;
pub mod disk;
pub mod stream;
pub mod tls;
