//! The real driver of truecopy: what carries the core on a real machine.
//!
//! One thread runs the [`Reactor`]: sockets, secure channels, timers and the core itself, which is called inline. Some
//! more threads do its jobs ([`Storage`](truecopy_transport::store::Storage)). The program holds a [`Handle`] and reads [`Events`].

mod clock;
mod config;
mod deadlines;
pub mod disk;
mod door;
mod events;
mod handle;
pub mod hash;
mod listen;
mod mailbox;
mod net;
pub mod prepare;
mod reactor;
mod resolve;
mod tcp;
mod tracker;
mod workers;

pub use config::{Limits, Nudge, ReactorConfig, Wrap};
pub use events::{Events, Waker};
pub use handle::{Handle, Stopped};
pub use listen::Listen;
pub use reactor::Reactor;
pub use workers::workers_for_machine;
