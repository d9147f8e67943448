//! One share: what is there, what is asked of whom, who is dialled. Knows nothing of sessions and of the door.

pub(crate) mod announcer;
pub(crate) mod bits;
pub(crate) mod choker;
pub(crate) mod circle;
pub(crate) mod download;
pub(crate) mod hashes;
pub(crate) mod have;
pub(crate) mod leads;
pub(crate) mod lending;
pub(crate) mod offer;
pub(crate) mod picker;
pub(crate) mod queue;
pub(crate) mod targets;
#[cfg(test)]
mod tests;
pub(crate) mod transfer;
pub(crate) mod upload;
