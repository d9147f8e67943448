//! The embedded store: one file, crash-safe.

use std::fmt;
use std::fs::OpenOptions;
use std::path::Path;

use redb::backends::FileBackend;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};

use super::{Store, StoreError};
use crate::record::{Change, Edit, Key, Value};

/// Keys and values as postcard. A change of their form takes another name.
const RECORDS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("truecopy/2 records");

/// Bytes of the file that are kept in memory. Records are read once, at the start; afterwards only the way to what is
/// written is needed.
const CACHE_MAX: usize = 64 << 20;

/// A store in one file, which one process may have open.
pub struct DiskStore(Database);

impl fmt::Debug for DiskStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DiskStore(…)")
    }
}

impl DiskStore {
    /// Opens the file, or makes it, readable by its owner alone: the secret of tokens lies in it.
    ///
    /// # Errors
    /// [`StoreError::Failed`] if it cannot be opened, is no store, or is open elsewhere.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path).map_err(StoreError::failed)?;
        let backend = FileBackend::new(file).map_err(StoreError::failed)?;
        let mut builder = Database::builder();
        builder.set_cache_size(CACHE_MAX);
        let database = builder.create_with_backend(backend).map_err(StoreError::failed)?;
        // Reading a table that was never made is an error.
        let write = database.begin_write().map_err(StoreError::failed)?;
        write.open_table(RECORDS).map_err(StoreError::failed)?;
        write.commit().map_err(StoreError::failed)?;
        Ok(Self(database))
    }
}

impl Store for DiskStore {
    fn load(&mut self, each: &mut dyn FnMut(Key, Value)) -> Result<(), StoreError> {
        let read = self.0.begin_read().map_err(StoreError::failed)?;
        let table = read.open_table(RECORDS).map_err(StoreError::failed)?;
        for record in table.iter().map_err(StoreError::failed)? {
            let (key, value) = record.map_err(StoreError::failed)?;
            let key = postcard::from_bytes(key.value()).map_err(|_| StoreError::Damaged)?;
            let value = postcard::from_bytes(value.value()).map_err(|_| StoreError::Damaged)?;
            each(key, value);
        }
        Ok(())
    }

    fn apply(&mut self, batch: &[Change]) -> Result<(), StoreError> {
        let write = self.0.begin_write().map_err(StoreError::failed)?;
        {
            let mut table = write.open_table(RECORDS).map_err(StoreError::failed)?;
            for Change { key, edit } in batch {
                let key = postcard::to_allocvec(key).map_err(StoreError::failed)?;
                match edit {
                    Edit::Put(value) => {
                        let value = postcard::to_allocvec(value).map_err(StoreError::failed)?;
                        table.insert(key.as_slice(), value.as_slice()).map_err(StoreError::failed)?;
                    }
                    Edit::Remove { .. } => drop(table.remove(key.as_slice()).map_err(StoreError::failed)?),
                }
            }
        }
        write.commit().map_err(StoreError::failed)
    }

    fn agree(&mut self, proposed: [u8; 32]) -> Result<[u8; 32], StoreError> {
        let mut kept = None;
        let key = postcard::to_allocvec(&Key::Secret).map_err(StoreError::failed)?;
        let read = self.0.begin_read().map_err(StoreError::failed)?;
        let table = read.open_table(RECORDS).map_err(StoreError::failed)?;
        if let Some(value) = table.get(key.as_slice()).map_err(StoreError::failed)? {
            kept = Some(postcard::from_bytes(value.value()).map_err(|_| StoreError::Damaged)?);
        }
        match kept {
            Some(Value::Secret(secret)) => Ok(secret),
            Some(_) => Err(StoreError::Damaged),
            // One process has the file open, so nobody comes between.
            None => self.apply(&[Change::put(Key::Secret, Value::Secret(proposed))]).map(|()| proposed),
        }
    }
}
