//! What is served across restarts: for each share its secret, where its files lie, and in which state they were hashed.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::rand;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use truecopy_protocol::content::layers::Layers;
use truecopy_protocol::content::manifest::{Manifest, ManifestLimits};
use truecopy_protocol::content::name::RelPathBuf;
use truecopy_protocol::content::selection::Selection;
use truecopy_protocol::input::Swarming;
use truecopy_protocol::{AccessSecret, EntryIndex, Hash, TrackerUrl, Trackers, hex};
use truecopy_transport::disk::FileIdentity;

use crate::escape::Shown;
use crate::exit::{Error, Exit, Result};
use crate::home::Home;
use crate::output::KeptShare;
use crate::sealed::{self, Magic};
use crate::standing::{Known, NO_FILE, Standing, Top};

const MAGIC: &Magic = b"tc-seed2";
const NODE_MAGIC: &Magic = b"tc-node1";
/// The name of the node's own file: no share has it.
const NODE: &str = "node";
/// File systems stamp with a coarse clock: a change within the same tick leaves no trace.
const TICK_MAX: i128 = 2_000_000_000;

/// A share that is, or will be, served.
#[derive(Clone)]
pub struct Record {
    /// Its files.
    pub standing: Standing,
    /// Its access secret.
    pub secret: AccessSecret,
    /// Whether its receivers may learn of each other.
    pub swarm: Swarming,
    /// Where its peers announce themselves.
    pub trackers: Trackers,
}

impl std::fmt::Debug for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Record").field("tops", &self.standing.tops).finish_non_exhaustive()
    }
}

/// Who serves: the same after a restart, so that tickets stay true.
#[derive(Clone, Serialize, Deserialize)]
pub struct SeedNode {
    /// The seed of its Ed25519 key.
    pub key_seed: [u8; 32],
    /// The port that it last listened on.
    pub port: Option<u16>,
}

impl std::fmt::Debug for SeedNode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SeedNode").field("port", &self.port).finish_non_exhaustive()
    }
}

/// How a record is kept.
#[derive(Serialize, Deserialize)]
struct Body {
    secret: [u8; 32],
    is_swarm: bool,
    trackers: Vec<String>,
    /// Folder and name of each top.
    tops: Vec<(Vec<u8>, Vec<u8>)>,
    manifest: Vec<u8>,
    /// Device, inode, size, mtime, ctime of each entry.
    identities: Vec<(u64, u64, u64, i128, i128)>,
    layers: Vec<[u8; 32]>,
    /// The entries that are there; none: all.
    held: Option<Vec<u32>>,
}

impl Record {
    /// A share to be served.
    pub const fn new(standing: Standing, secret: AccessSecret, swarm: Swarming, trackers: Trackers) -> Self {
        Self { standing, secret, swarm, trackers }
    }

    /// What is told of it; `content` is its ContentId in hexadecimal.
    pub fn shown<'a>(&'a self, content: &'a str) -> KeptShare<'a> {
        let manifest = &self.standing.manifest;
        KeptShare {
            name: manifest.name(),
            files: u64::from(manifest.file_count()),
            bytes: self.standing.size(),
            content,
            folder: self.standing.tops.first().map_or_else(|| Path::new(""), |top| &top.folder),
        }
    }

    /// The name of its file: what it is and where.
    fn id(&self) -> String {
        let mut sha = Sha256::new();
        sha.update(self.standing.manifest.content_id().0);
        for top in &self.standing.tops {
            for part in [top.folder.as_os_str().as_encoded_bytes(), top.name.as_path().as_bytes()] {
                sha.update((part.len() as u64).to_le_bytes());
                sha.update(part);
            }
        }
        hex(&sha.finalize())
    }

    fn body(&self) -> Body {
        let standing = &self.standing;
        // What changed just before it was looked at may have changed once more after.
        let settled = |id: &FileIdentity| id.mtime.max(id.ctime) + TICK_MAX < standing.looked;
        let kept = |id: &FileIdentity| if settled(id) { *id } else { NO_FILE };
        let identities = standing.identities.iter().map(kept);
        Body {
            secret: self.secret.0,
            is_swarm: self.swarm == Swarming::On,
            trackers: self.trackers.iter().map(ToString::to_string).collect(),
            tops: standing
                .tops
                .iter()
                .map(|top| (bytes_of(&top.folder), top.name.clone().into_bytes()))
                .collect(),
            manifest: standing.manifest.encoded().to_vec(),
            identities: identities.map(|id| (id.device, id.inode, id.size, id.mtime, id.ctime)).collect(),
            layers: standing.layers.hashes().iter().map(|hash| hash.0).collect(),
            held: match &standing.held {
                Selection::All => None,
                Selection::Some(entries) => Some(entries.iter().map(|entry| entry.0).collect()),
            },
        }
    }

    fn of(body: Body) -> Option<Self> {
        let manifest = Manifest::decode(Bytes::from(body.manifest), &ManifestLimits::default()).ok()?;
        let manifest = Arc::new(manifest);
        let held = body
            .held
            .map_or(Selection::All, |entries| Selection::Some(entries.into_iter().map(EntryIndex).collect()));
        let hashes = body.layers.into_iter().map(Hash).collect();
        let layers = Layers::of_part(Arc::clone(&manifest), hashes, &held).ok()?;
        let top =
            |(folder, name)| Some(Top { folder: path_of(folder)?, name: RelPathBuf::local(name).ok()? });
        let identity =
            |(device, inode, size, mtime, ctime)| FileIdentity { device, inode, size, mtime, ctime };
        let identities: Vec<FileIdentity> = body.identities.into_iter().map(identity).collect();
        let standing = Standing {
            tops: body.tops.into_iter().map(top).collect::<Option<_>>()?,
            layers: Arc::new(layers),
            held,
            identities,
            looked: 0,
            manifest,
        };
        let swarm = if body.is_swarm { Swarming::On } else { Swarming::Off };
        let trackers = body.trackers.iter().filter_map(|url| url.parse::<TrackerUrl>().ok()).collect();
        Some(Self { standing, secret: AccessSecret(body.secret), swarm, trackers })
    }
}

impl Known for Record {
    fn is_same(&self, entry: EntryIndex, now: &FileIdentity) -> bool {
        let known = self.standing.identities.get(entry.0 as usize);
        known.is_some_and(|known| *known != NO_FILE && known == now)
    }

    fn layer(&self, entry: EntryIndex) -> Option<Vec<Hash>> {
        let standing = &self.standing;
        let chunks = standing.manifest.chunks_of(entry);
        chunks.map(|chunk| standing.layers.chunk_hash(truecopy_protocol::ChunkIndex(chunk))).collect()
    }
}

/// The folder of the records.
#[derive(Debug)]
pub struct Seeds {
    folder: PathBuf,
}

impl Seeds {
    /// In the user's state folder.
    pub fn new(home: &Home) -> Self {
        Self { folder: home.state().join("seeds") }
    }

    /// Remembers a share. Failing at it costs only the memory, so `warn` hears of it.
    pub fn keep(&self, record: &Record, warn: &dyn Fn(&str)) {
        let written = sealed::write(&self.folder.join(record.id()), MAGIC, |bytes| {
            postcard::to_extend(&record.body(), bytes).map_err(|_| io::ErrorKind::InvalidData.into())
        });
        if let Err(error) = written {
            warn(&format!("this share cannot be remembered: {}", Shown::io(&error)));
        }
    }

    /// All that is remembered, by name. What cannot be read is passed over, and `warn` hears of it.
    pub fn all(&self, warn: &dyn Fn(&str)) -> Vec<Record> {
        let Ok(entries) = fs::read_dir(&self.folder) else { return Vec::new() };
        let mut records: Vec<Record> = Vec::new();
        let is_record = |name: &std::ffi::OsStr| {
            name.as_encoded_bytes().iter().all(u8::is_ascii_hexdigit) && name.len() == 64
        };
        for entry in entries.flatten().filter(|entry| is_record(&entry.file_name())) {
            match read(&entry.path()) {
                Ok(record) => records.push(record),
                Err(error) => warn(&format!("a remembered share cannot be used: {}", Shown::io(&error))),
            }
        }
        records.sort_by(|a, b| a.standing.manifest.name().cmp(b.standing.manifest.name()));
        records
    }

    /// Remembers a share no more.
    ///
    /// # Errors
    /// If its record cannot be removed.
    pub fn forget(&self, record: &Record) -> Result<()> {
        let path = self.folder.join(record.id());
        fs::remove_file(&path).map_err(|error| Error::local("remove", &path, &error))
    }

    /// Who serves here; a new one the first time, or if its file is damaged.
    ///
    /// # Errors
    /// If the system gives no random numbers.
    pub fn node(&self) -> Result<SeedNode> {
        let known = sealed::read(&self.folder.join(NODE), NODE_MAGIC).ok().flatten();
        if let Some(node) = known.and_then(|body| postcard::from_bytes(&body).ok()) {
            return Ok(node);
        }
        let mut key_seed = [0; 32];
        rand::fill(&mut key_seed)
            .map_err(|_| Error::new(Exit::Unexpected, "the system gives no random numbers"))?;
        Ok(SeedNode { key_seed, port: None })
    }

    /// Remembers who serves here, and on which port.
    pub fn keep_node(&self, node: &SeedNode, warn: &dyn Fn(&str)) {
        let written = sealed::write(&self.folder.join(NODE), NODE_MAGIC, |bytes| {
            postcard::to_extend(node, bytes).map_err(|_| io::ErrorKind::InvalidData.into())
        });
        if let Err(error) = written {
            warn(&format!("these tickets end with this run: {}", Shown::io(&error)));
        }
    }
}

fn read(path: &Path) -> io::Result<Record> {
    let body = sealed::read(path, MAGIC)?.ok_or(io::ErrorKind::NotFound)?;
    let body = postcard::from_bytes(&body).map_err(|_| sealed::damaged())?;
    Record::of(body).ok_or_else(sealed::damaged)
}

pub(crate) fn bytes_of(path: &Path) -> Vec<u8> {
    path.as_os_str().as_encoded_bytes().to_vec()
}

#[cfg(unix)]
#[expect(clippy::unnecessary_wraps, reason = "elsewhere not all bytes are a path")]
pub(crate) fn path_of(bytes: Vec<u8>) -> Option<PathBuf> {
    Some(<std::ffi::OsString as std::os::unix::ffi::OsStringExt>::from_vec(bytes).into())
}

#[cfg(not(unix))]
pub(crate) fn path_of(bytes: Vec<u8>) -> Option<PathBuf> {
    String::from_utf8(bytes).ok().map(PathBuf::from)
}

#[cfg(test)]
mod tests;
