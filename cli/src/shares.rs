//! What was sent lately: a share that is sent again keeps its key, secret and port, and unchanged files are not hashed
//! again, so that an old ticket still works.
//!
//! One sealed file a share: keys (`postcard`), what its files hash to.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use truecopy_mio::prepare::{Known, Prepared};
use truecopy_protocol::{AccessSecret, hex};

use crate::args::LinkPolicy;
use crate::escape::Shown;
use crate::exit::{Error, Exit, Result};
use crate::home::Home;
use crate::sealed;

/// How long an unused record is kept.
const KEPT: Duration = Duration::from_secs(30 * 86_400);
const MAGIC: &[u8; 8] = b"tc-send1";

/// A share that was, or will be, sent.
#[derive(Clone)]
pub struct Remembered {
    /// The seed of its Ed25519 key.
    pub key_seed: [u8; 32],
    /// Its access secret.
    pub secret: AccessSecret,
    /// The port that it was last served on.
    pub port: Option<u16>,
    id: String,
    created: u64,
}

impl std::fmt::Debug for Remembered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Remembered").field("id", &self.id).field("port", &self.port).finish_non_exhaustive()
    }
}

/// How it is kept, before what is known of its files.
#[derive(Serialize, Deserialize)]
struct Head {
    key_seed: [u8; 32],
    secret: [u8; 32],
    port: Option<u16>,
    created: u64,
    used: u64,
}

/// The folder of the records.
#[derive(Clone, Debug)]
pub struct Shares {
    folder: PathBuf,
}

impl Shares {
    /// The records of this home.
    pub fn new(home: &Home) -> Self {
        Self { folder: home.state().join("shares") }
    }

    /// What is remembered of these paths, or a new key and secret. Prunes what was not used for 30 days. `warn` hears
    /// of damaged records.
    ///
    /// # Errors
    /// A path that is not there; no randomness.
    pub fn find(
        &self,
        paths: &[PathBuf],
        links: LinkPolicy,
        warn: &dyn Fn(&str),
    ) -> Result<(Remembered, Option<Known>)> {
        self.prune(SystemTime::now());
        let id = id(paths, links)?;
        match self.read(&id) {
            Ok(Some((Head { key_seed, secret, port, created, .. }, known))) => {
                let known = Known::decode(&known);
                Ok((Remembered { key_seed, secret: AccessSecret(secret), port, id, created }, known))
            }
            Ok(None) => Ok((fresh(id)?, None)),
            Err(error) => {
                warn(&format!(
                    "what is remembered of this share cannot be used, so it gets a new ticket: {error}"
                ));
                Ok((fresh(id)?, None))
            }
        }
    }

    /// Remembers a share and what its files hash to. Failing at it costs only the memory, so `warn` hears of it.
    pub fn keep(&self, share: &Remembered, prepared: &Prepared, warn: &dyn Fn(&str)) {
        self.write(share, |bytes| Known::encode(prepared, bytes), warn);
    }

    /// What the files of these paths hashed to when they were looked at last, if that is remembered.
    pub fn known(&self, paths: &[PathBuf], links: LinkPolicy) -> Option<Known> {
        let (_, known) = self.read(&id(paths, links).ok()?).ok()??;
        Known::decode(&known)
    }

    /// Remembers what the files of these paths hash to, beside what is remembered of the share otherwise. `warn` hears
    /// why it cannot.
    pub fn keep_known(&self, paths: &[PathBuf], links: LinkPolicy, prepared: &Prepared, warn: &dyn Fn(&str)) {
        // Read now: a `send` of the same paths may have changed it since they were hashed.
        match self.find(paths, links, warn) {
            Ok((share, _)) => self.keep(&share, prepared, warn),
            Err(error) => warn(error.what.as_str()),
        }
    }

    /// Remembers the port that the share is served on.
    pub fn keep_port(&self, share: &Remembered, warn: &dyn Fn(&str)) {
        let known = self.read(&share.id).ok().flatten().map(|(_, known)| known);
        self.write(share, |bytes| bytes.extend_from_slice(&known.unwrap_or_default()), warn);
    }

    fn write(&self, share: &Remembered, known: impl FnOnce(&mut Vec<u8>), warn: &dyn Fn(&str)) {
        let head = Head {
            key_seed: share.key_seed,
            secret: share.secret.0,
            port: share.port,
            created: share.created,
            used: seconds(SystemTime::now()),
        };
        let written = sealed::write(&self.path(&share.id), MAGIC, |bytes| {
            let mut bytes = postcard::to_extend(&head, bytes).map_err(|_| io::ErrorKind::InvalidData)?;
            known(&mut bytes);
            Ok(bytes)
        });
        if let Err(error) = written {
            let error = Shown::io(&error);
            warn(&format!("this share cannot be remembered, so its ticket ends with this run: {error}"));
        }
    }

    /// A record and what is known of its files.
    fn read(&self, id: &str) -> io::Result<Option<(Head, Bytes)>> {
        let Some(body) = sealed::read(&self.path(id), MAGIC)? else { return Ok(None) };
        let (head, known) = postcard::take_from_bytes(&body).map_err(|_| sealed::damaged())?;
        Ok(Some((head, body.slice_ref(known))))
    }

    /// Removes what was not used for too long: a record is written whenever it is used.
    fn prune(&self, now: SystemTime) {
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        for entry in entries.flatten() {
            let used = entry.metadata().and_then(|metadata| metadata.modified());
            let unused = used.ok().and_then(|used| now.duration_since(used).ok());
            if unused.is_some_and(|unused| unused > KEPT) {
                // It is tried again the next time.
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    fn path(&self, id: &str) -> PathBuf {
        self.folder.join(id)
    }
}

/// The name of a record: what is sent and how, whatever the working directory.
fn id(paths: &[PathBuf], links: LinkPolicy) -> Result<String> {
    let mut all: Vec<(PathBuf, Option<OsString>)> = Vec::new();
    for path in paths {
        let canonical = path.canonicalize().map_err(|error| Error::local("read", path, &error))?;
        all.push((canonical, path.file_name().map(ToOwned::to_owned)));
    }
    all.sort();
    let mut sha = Sha256::new();
    sha.update(match links {
        LinkPolicy::Keep => b"keep",
        LinkPolicy::Skip => b"skip",
    });
    for (path, name) in &all {
        for part in [Some(path.as_os_str()), name.as_deref()] {
            let part = part.map_or(&[][..], |part| part.as_encoded_bytes());
            sha.update((part.len() as u64).to_le_bytes());
            sha.update(part);
        }
    }
    Ok(hex(&sha.finalize()))
}

fn fresh(id: String) -> Result<Remembered> {
    let (mut key_seed, mut secret) = ([0; 32], [0; 32]);
    rand::fill(&mut key_seed)
        .and_then(|()| rand::fill(&mut secret))
        .map_err(|_| Error::new(Exit::Unexpected, "the system gives no random numbers"))?;
    let created = seconds(SystemTime::now());
    Ok(Remembered { key_seed, secret: AccessSecret(secret), port: None, id, created })
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests;
