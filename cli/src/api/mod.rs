//! The local API: HTTP over loopback or a Unix socket, for the programs of this user. It steers the engine that a console
//! steers too; whoever asks shows a token that only this user can read.

mod bridge;
pub mod client;
mod connection;
mod events;
mod gate;
mod metrics;
pub mod orders;
mod place;
mod reply;
mod ring;
mod route;
pub mod shapes;

pub use bridge::{Desk, bridge};
pub use connection::{Api, Listening};
pub use place::Place;
pub use route::{ROUTES, Route};

#[cfg(test)]
mod tests;
