//! What is moved: blobs and their hash trees, names, the manifest, and the ways to say which share is meant.
//!
//! Knows nothing of peers, messages or time. PROTOCOL §3.

mod armour;
mod base32;
mod canonical;
pub mod geometry;
pub mod identity;
pub mod judge;
pub mod layers;
pub mod link;
pub mod manifest;
pub mod metadata;
pub mod name;
pub mod room;
pub mod selection;
pub mod ticket;
pub mod tree;
