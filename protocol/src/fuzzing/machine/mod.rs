//! One node against everything that a driver and its peers can do, with what must hold looked at after every input.

mod bytes;
mod content;
mod link;
mod model;
mod operations;
mod rig;
mod rooms;
mod steps;
mod store;
mod swarm;
mod talk;
#[cfg(test)]
mod tests;

pub use bytes::machine_bytes;
pub use operations::machine_operations;
pub use rooms::machine_rooms;
pub use swarm::machine_swarm;
