//! Where the server keeps what must survive a restart.

mod disk;
mod memory;
mod writer;

use std::error::Error;

pub use self::disk::DiskStore;
pub use self::memory::MemoryStore;
pub use self::writer::Writer;
use crate::record::{Change, Key, Value};

/// Why a store failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// What it stands on failed.
    #[error("the store failed: {0}")]
    Failed(#[source] Box<dyn Error + Send + Sync>),
    /// A record cannot be read: damage, or another version.
    #[error("a record in the store cannot be read")]
    Damaged,
}

impl StoreError {
    fn failed(error: impl Error + Send + Sync + 'static) -> Self {
        Self::Failed(Box::new(error))
    }
}

/// A map from keys to values. Called from one thread, which may wait.
///
/// What every implementation must do is in the conformance tests (`store/tests.rs`).
pub trait Store: Send {
    /// Gives every record, in any order.
    ///
    /// # Errors
    /// [`StoreError`]; some records may have been given.
    fn load(&mut self, each: &mut dyn FnMut(Key, Value)) -> Result<(), StoreError>;

    /// Makes changes, in their order; all of them or none. They survive the end of the process.
    ///
    /// # Errors
    /// [`StoreError`]; nothing was changed.
    fn apply(&mut self, batch: &[Change]) -> Result<(), StoreError>;
}

#[cfg(test)]
mod tests;
