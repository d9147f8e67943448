//! What every driver of truecopy shares: the byte [`pump`], the [`channel`], the [`link`] that
//! joins both to the core, the [`store`].
//!
//! Generic over a [`Stream`](stream::Stream) and a [`Disk`](disk::Disk): a driver supplies only those. The classic
//! silent corruption (a short write whose tail is dropped, a read taken for a whole frame) lives in this crate or
//! nowhere, so the simulator runs this very code. Must not know: mio, real files, protocol rules.

pub mod channel;
pub mod disk;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
#[cfg(feature = "tls")]
pub mod keys;
pub mod link;
pub mod pace;
pub mod pump;
pub mod record;
pub mod store;
pub mod stream;
