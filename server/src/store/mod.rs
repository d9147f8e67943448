//! Where the server keeps what must survive a restart, and where several servers meet.

mod disk;
mod memory;
#[cfg(feature = "redis")]
mod redis;
mod writer;

use std::error::Error;
use std::time::Duration;

pub use self::disk::DiskStore;
pub use self::memory::MemoryStore;
#[cfg(feature = "redis")]
pub use self::redis::RedisStore;
pub use self::writer::Writer;
use crate::record::{Change, Key, Value};
use crate::tracker::Mark;

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
/// What every implementation must do is in the conformance tests (`store/tests/`).
pub trait Store: Send {
    /// Gives every record, in any order; one may come twice.
    ///
    /// # Errors
    /// [`StoreError`]; some records may have been given.
    fn load(&mut self, each: &mut dyn FnMut(Key, Value)) -> Result<(), StoreError>;

    /// Makes changes, in their order; all of them or none. They survive the end of the process.
    ///
    /// # Errors
    /// [`StoreError`]; nothing was changed, or it is not known whether it was: making the same changes again is right
    /// in both cases.
    fn apply(&mut self, batch: &[Change]) -> Result<(), StoreError>;

    /// Agrees on the secret of tokens with all who use the store, now and later: the first one that was proposed.
    ///
    /// # Errors
    /// [`StoreError`].
    fn agree(&mut self, proposed: [u8; 32]) -> Result<[u8; 32], StoreError>;

    /// A further handle on the same store, if several processes may use it at once. It hears of what is changed from
    /// now on.
    ///
    /// # Errors
    /// [`StoreError`].
    fn shared(&mut self) -> Result<Option<Box<dyn Shared>>, StoreError> {
        Ok(None)
    }
}

/// Whether all changes were given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// All until now.
    Whole,
    /// Some are lost: only [`Store::load`] tells what they came to. Those after this answer will be given.
    Missed,
}

/// Whether a mark is the caller's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Nobody had it.
    First,
    /// Somebody took it before.
    Taken,
}

/// What several processes need of a store that they share, besides records.
pub trait Shared: Store {
    /// Waits for changes that anybody made, `wait` at most, and gives them. Everybody hears the same, own ones too, in
    /// the order in which they were made: so all come to the same, and to what the store has.
    ///
    /// # Errors
    /// [`StoreError`]; what was not given is given the next time, except for what cannot be read at all.
    fn news(&mut self, wait: Duration, each: &mut dyn FnMut(Change)) -> Result<News, StoreError>;

    /// Takes each mark for a while (whole seconds, at least one) unless somebody has; answers in the same order.
    ///
    /// # Errors
    /// [`StoreError`]; it is not known which were taken.
    fn claim(&mut self, marks: &[(Mark, Duration)]) -> Result<Vec<Claim>, StoreError>;
}

#[cfg(test)]
mod tests;
