//! The store for several servers behind one name: a Redis that all of them use.
//!
//! Records are the fields of one hash, so that they are loaded with cursors; each batch is one transaction, which also
//! appends the changes to a stream, from which the other servers hear of them. The stream is bounded: who was away for
//! too long loads the records again. Marks are keys of their own, which Redis forgets by itself.

use std::fmt;
use std::time::Duration;

use redis::{Client, Connection, FromRedisValue, Pipeline, pipe};

use super::{Claim, News, Shared, Store, StoreError};
use crate::record::{Change, Edit, Key, Value};
use crate::tracker::Mark;

/// The hash of records: keys and values as postcard. A change of their form takes another name.
const RECORDS: &str = "truecopy/1:records";
/// The stream of changes, and the one field of its entries: changes as postcard.
const LOG: &str = "truecopy/1:log";
const CHANGES: &str = "changes";
/// Before each mark.
const MARK: &[u8] = b"truecopy/1:mark:";
/// Entries of the stream that are kept, about: a minute of the highest load, half an hour of a low one.
const LOG_MAX: usize = 2000;
/// Changes in one entry, and in one command, at most.
const CHUNK: usize = 500;
/// Entries taken at once.
const ENTRIES_MAX: usize = 100;
/// Records asked for at once.
const SCAN_COUNT: usize = 1000;
/// For a connection to come about, and for each answer on top of what was asked to wait.
const PATIENCE: Duration = Duration::from_secs(5);

/// A handle on the records in a Redis. Each has a connection of its own, and makes a new one when that broke.
pub struct RedisStore {
    client: Client,
    connection: Option<Connection>,
    /// The last entry of the stream that was heard.
    heard: String,
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RedisStore(…)")
    }
}

impl RedisStore {
    /// Connects to `redis://[USER:PASSWORD@]HOST[:PORT][/DB]` or `redis+unix:///PATH`.
    ///
    /// # Errors
    /// [`StoreError::Failed`] if it is no such address, or nothing answers there in five seconds.
    pub fn open(url: &str) -> Result<Self, StoreError> {
        let client = Client::open(url).map_err(StoreError::failed)?;
        let mut store = Self { client, connection: None, heard: String::new() };
        store.heard = store.end()?;
        Ok(store)
    }

    /// Sends what `make` made and waits for the answers. A connection that failed is not used again.
    fn ask<T: FromRedisValue>(&mut self, wait: Duration, make: &Pipeline) -> Result<T, StoreError> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.client.get_connection_with_timeout(PATIENCE).map_err(StoreError::failed)?,
        };
        connection.set_write_timeout(Some(PATIENCE)).map_err(StoreError::failed)?;
        connection.set_read_timeout(Some(wait + PATIENCE)).map_err(StoreError::failed)?;
        let answer = make.query(&mut connection);
        // After an error the rest of an answer may still come, and would be taken for the next one.
        if answer.is_ok() {
            self.connection = Some(connection);
        }
        answer.map_err(StoreError::failed)
    }

    /// The last entry of the stream. There always is one: an entry without changes is made if need be.
    fn end(&mut self) -> Result<String, StoreError> {
        let mut make = pipe();
        make.cmd("XADD").arg(LOG).arg("MAXLEN").arg("~").arg(LOG_MAX).arg("*");
        make.arg(CHANGES).arg::<&[u8]>(&[]);
        let (id,): (String,) = self.ask(Duration::ZERO, &make)?;
        Ok(id)
    }
}

/// The commands of a batch, in its order.
fn transaction(batch: &[Change]) -> Result<Pipeline, StoreError> {
    let mut make = pipe();
    make.atomic();
    for part in batch.chunks(CHUNK) {
        let is_put = |change: &Change| matches!(change.edit, Edit::Put(_));
        for run in part.chunk_by(|one, next| is_put(one) == is_put(next)) {
            make.cmd(if run.first().is_some_and(is_put) { "HSET" } else { "HDEL" }).arg(RECORDS);
            for Change { key, edit } in run {
                make.arg(postcard::to_allocvec(key).map_err(StoreError::failed)?);
                if let Edit::Put(value) = edit {
                    make.arg(postcard::to_allocvec(value).map_err(StoreError::failed)?);
                }
            }
            make.ignore();
        }
        let changes = postcard::to_allocvec(part).map_err(StoreError::failed)?;
        make.cmd("XADD").arg(LOG).arg("MAXLEN").arg("~").arg(LOG_MAX).arg("*");
        make.arg(CHANGES).arg(changes).ignore();
    }
    Ok(make)
}

/// Entries as Redis writes them: an id, and names and values of fields in turn.
type RawEntry = (String, Vec<(String, Vec<u8>)>);

fn record(key: &[u8], value: &[u8]) -> Result<(Key, Value), StoreError> {
    let key = postcard::from_bytes(key).map_err(|_| StoreError::Damaged)?;
    let value = postcard::from_bytes(value).map_err(|_| StoreError::Damaged)?;
    Ok((key, value))
}

impl Store for RedisStore {
    fn load(&mut self, each: &mut dyn FnMut(Key, Value)) -> Result<(), StoreError> {
        let mut cursor = 0_u64;
        loop {
            let mut make = pipe();
            make.cmd("HSCAN").arg(RECORDS).arg(cursor).arg("COUNT").arg(SCAN_COUNT);
            type Page = (u64, Vec<(Vec<u8>, Vec<u8>)>);
            let ((next, records),): (Page,) = self.ask(Duration::ZERO, &make)?;
            for (key, value) in records {
                let (key, value) = record(&key, &value)?;
                each(key, value);
            }
            if next == 0 {
                return Ok(());
            }
            cursor = next;
        }
    }

    fn apply(&mut self, batch: &[Change]) -> Result<(), StoreError> {
        if batch.is_empty() {
            return Ok(());
        }
        let make = transaction(batch)?;
        self.ask(Duration::ZERO, &make)
    }

    fn agree(&mut self, proposed: [u8; 32]) -> Result<[u8; 32], StoreError> {
        let key = postcard::to_allocvec(&Key::Secret).map_err(StoreError::failed)?;
        let value = postcard::to_allocvec(&Value::Secret(proposed)).map_err(StoreError::failed)?;
        let mut make = pipe();
        make.cmd("HSETNX").arg(RECORDS).arg(&key).arg(value).ignore();
        make.cmd("HGET").arg(RECORDS).arg(&key);
        let (kept,): (Vec<u8>,) = self.ask(Duration::ZERO, &make)?;
        match postcard::from_bytes(&kept) {
            Ok(Value::Secret(secret)) => Ok(secret),
            Ok(_) | Err(_) => Err(StoreError::Damaged),
        }
    }

    fn shared(&mut self) -> Result<Option<Box<dyn Shared>>, StoreError> {
        let mut handle = Self { client: self.client.clone(), connection: None, heard: String::new() };
        handle.heard = handle.end()?;
        Ok(Some(Box::new(handle)))
    }
}

impl Shared for RedisStore {
    fn news(&mut self, wait: Duration, each: &mut dyn FnMut(Change)) -> Result<News, StoreError> {
        let mut make = pipe();
        // Zero would be for ever.
        let millis = wait.as_millis().max(1) as u64;
        make.cmd("XREAD").arg("COUNT").arg(ENTRIES_MAX).arg("BLOCK").arg(millis);
        make.arg("STREAMS").arg(LOG).arg(&self.heard);
        // If the last entry that was heard is still there after the next were read, none between them was dropped.
        make.cmd("XRANGE").arg(LOG).arg(&self.heard).arg(&self.heard);
        type Streams = Option<Vec<(String, Vec<RawEntry>)>>;
        let (streams, heard): (Streams, Vec<RawEntry>) = self.ask(wait, &make)?;
        if heard.is_empty() {
            self.heard = self.end()?;
            return Ok(News::Missed);
        }
        for raw in streams.into_iter().flatten().flat_map(|(_, entries)| entries) {
            let (id, fields) = raw;
            self.heard = id;
            let changes = fields.into_iter().find(|(name, _)| name == CHANGES).map(|(_, value)| value);
            let Some(changes) = changes.filter(|changes| !changes.is_empty()) else { continue };
            match postcard::from_bytes::<Vec<Change>>(&changes) {
                Ok(changes) => changes.into_iter().for_each(&mut *each),
                // Another version's. It is passed over, for reading it again would not help.
                Err(_) => return Err(StoreError::Damaged),
            }
        }
        Ok(News::Whole)
    }

    fn claim(&mut self, marks: &[(Mark, Duration)]) -> Result<Vec<Claim>, StoreError> {
        if marks.is_empty() {
            return Ok(Vec::new());
        }
        let mut make = pipe();
        for (mark, time) in marks {
            let key = [MARK, mark].concat();
            make.cmd("SET").arg(key).arg(1).arg("NX").arg("EX").arg(time.as_secs().max(1));
        }
        let answers: Vec<Option<String>> = self.ask(Duration::ZERO, &make)?;
        Ok(answers.iter().map(|answer| if answer.is_some() { Claim::First } else { Claim::Taken }).collect())
    }
}
