//! The real driver of truecopy.

pub mod disk;
