//! What is moved: blobs and their hash trees, names, the manifest, and the ways to say which share is meant.
//!
//! Knows nothing of peers, messages or time. PROTOCOL §3.

mod canonical;
pub mod geometry;
pub mod identity;
pub mod layers;
pub mod manifest;
pub mod name;
pub mod selection;
pub mod tree;
