//! temp
use crate::content::manifest::Manifest;
use crate::*;
use alloc::sync::Arc;
use alloc::vec::Vec;
/// l
#[derive(Clone, Debug, Default)]
pub struct Layers;
/// b
#[derive(Debug)]
pub struct BadLayers;
impl Layers {
    /// l
    pub fn layer(&self, _m: &Manifest, _e: EntryIndex) -> Option<&[Hash]> {
        None
    }
    /// c
    pub fn chunk_hash(&self, _m: &Manifest, _c: ChunkIndex) -> Option<Hash> {
        None
    }
    /// h
    pub fn hashes(&self) -> &[Hash] {
        &[]
    }
    /// n
    pub fn new(_m: Arc<Manifest>, _h: Vec<Hash>) -> Result<Self, BadLayers> {
        Ok(Self)
    }
}
