//! The real driver of truecopy.

pub mod prepare;
