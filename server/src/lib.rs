//! The tracker of truecopy: who has which share, told to whom asks for it.
//!
//! Two halves. The pure one ([`tracker`], [`bootstrap`], [`record`]) has no clock, no I/O and no threads: times,
//! addresses and seeds are handed in. The other (`http`, `store`, behind the feature `http`) surrounds it with what is
//! real. Must not know: the content of any file, ContentIds, access secrets.
#![forbid(unsafe_code)]

pub mod bootstrap;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
#[cfg(feature = "http")]
pub mod http;
pub mod record;
#[cfg(feature = "http")]
pub mod store;
pub mod tracker;
