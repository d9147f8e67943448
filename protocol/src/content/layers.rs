//! temp
use crate::content::manifest::Manifest;
use crate::*;
/// l
#[derive(Clone, Debug, Default)]
pub struct Layers;
impl Layers {
    /// l
    pub fn layer(&self, _m: &Manifest, _e: EntryIndex) -> Option<&[Hash]> {
        None
    }
    /// c
    pub fn chunk_hash(&self, _m: &Manifest, _c: ChunkIndex) -> Option<Hash> {
        None
    }
}
