//! What people are shown of plans and runs: in words, as a table of figures, as a picture.

pub(crate) mod canvas;
mod failure;
mod junit;
mod picture;
mod story;
mod swarm;
mod words;

pub use failure::failure;
pub use junit::junit;
pub use picture::picture;
pub use story::story;
pub use swarm::swarm_picture;
pub use words::{fault as fault_in_words, window as fault_window};

#[cfg(test)]
mod tests;
