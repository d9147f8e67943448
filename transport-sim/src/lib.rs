//! Seeded faulty streams and disks.

pub mod disk;
