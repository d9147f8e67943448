//! Nodes that were met: by what name the user calls them, at which address which key was seen, whom files are taken from
//! unasked. Trust on first use: at an address that is known no other key is taken.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use truecopy_protocol::{NodeId, hex};

use crate::exit::{Error, Exit, Result};
use crate::home::{self, Home};

/// Hexadecimal digits of a fingerprint that people are shown.
const FINGERPRINT: usize = 16;

/// A node that was met.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Known {
    /// What the user calls it.
    pub name: Option<String>,
    /// Where it was reached, as it was typed.
    pub addresses: Vec<String>,
    /// Whether its offers are accepted unasked.
    pub trusted: bool,
}

/// The address book. Kept in `nodes.toml`, which people may read and change.
#[derive(Debug)]
pub struct Nodes {
    path: PathBuf,
    known: BTreeMap<String, Known>,
}

impl Nodes {
    /// Reads the address book of this home.
    ///
    /// # Errors
    /// If it cannot be read: then nobody's key could be compared.
    pub fn read(home: &Home) -> Result<Self> {
        let path = home.state().join("nodes.toml");
        let known = match fs::read_to_string(&path) {
            Ok(text) => toml::from_str(&text).map_err(|error| {
                Error::new(Exit::LocalIo, format!("{} is damaged: {}", path.display(), error.message()))
                    .hint("correct it, or move it away: then all keys are new")
            })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(Error::local("read", &path, &error)),
        };
        Ok(Self { path, known })
    }

    /// The key that was seen at an address.
    pub fn key_at(&self, address: &str) -> Option<NodeId> {
        let found = self.known.iter().find(|(_, known)| known.addresses.iter().any(|at| at == address));
        found.and_then(|(key, _)| parse_key(key))
    }

    /// A node was reached at an address. Whether it is new there.
    ///
    /// # Errors
    /// If it cannot be written down.
    pub fn seen(&mut self, node: NodeId, address: &str) -> Result<bool> {
        let known = self.known.entry(node.to_hex()).or_default();
        if known.addresses.iter().any(|at| at == address) {
            return Ok(false);
        }
        known.addresses.push(address.to_owned());
        self.write().map(|()| true)
    }

    /// The user calls a node so from now on, and no other.
    ///
    /// # Errors
    /// If it cannot be written down.
    pub fn call(&mut self, node: NodeId, name: &str) -> Result<()> {
        for known in self.known.values_mut() {
            known.name.take_if(|taken| taken == name);
        }
        self.known.entry(node.to_hex()).or_default().name = Some(name.to_owned());
        self.write()
    }

    /// Whether offers of a node are accepted unasked.
    ///
    /// # Errors
    /// If it cannot be written down.
    pub fn trust(&mut self, node: NodeId, trusted: bool) -> Result<()> {
        self.known.entry(node.to_hex()).or_default().trusted = trusted;
        self.write()
    }

    /// Whether offers of a node are accepted unasked.
    pub fn is_trusted(&self, node: NodeId) -> bool {
        self.known.get(&node.to_hex()).is_some_and(|known| known.trusted)
    }

    /// What people are shown of a node: its name, or the beginning of its key.
    pub fn shown(&self, node: NodeId) -> String {
        let name = self.known.get(&node.to_hex()).and_then(|known| known.name.clone());
        name.unwrap_or_else(|| fingerprint(node))
    }

    /// The address at which a node was reached last.
    pub fn address(&self, node: NodeId) -> Option<&str> {
        self.known.get(&node.to_hex())?.addresses.last().map(String::as_str)
    }

    /// The nodes that a person may mean: by name, by the beginning of the key (four digits at least), by address.
    pub fn meant<'a>(&'a self, text: &'a str, others: impl Iterator<Item = NodeId> + 'a) -> Vec<NodeId> {
        let by_name = |known: &Known| known.name.as_deref() == Some(text);
        let by_address = |known: &Known| known.addresses.iter().any(|at| at == text);
        let is_key = text.len() >= 4 && text.bytes().all(|b| b.is_ascii_hexdigit());
        let begins = |key: &str| is_key && key.starts_with(&text.to_ascii_lowercase());
        let named: Vec<NodeId> = self
            .known
            .iter()
            .filter(|(_, known)| by_name(known))
            .filter_map(|(key, _)| parse_key(key))
            .collect();
        if !named.is_empty() {
            return named;
        }
        let known = self.known.iter().filter(|(key, known)| begins(key) || by_address(known));
        let mut found: Vec<NodeId> = known.filter_map(|(key, _)| parse_key(key)).collect();
        found.extend(others.filter(|node| begins(&node.to_hex())));
        found.sort_unstable();
        found.dedup();
        found
    }

    fn write(&self) -> Result<()> {
        let failed = |error: io::Error| Error::local("write", &self.path, &error);
        if let Some(folder) = self.path.parent() {
            home::make_private_folder(folder).map_err(failed)?;
        }
        let text = toml::to_string(&self.known).map_err(|error| Error::new(Exit::Unexpected, error))?;
        home::write_private(&self.path, text.as_bytes()).map_err(failed)
    }
}

/// The beginning of a key, for people.
pub fn fingerprint(node: NodeId) -> String {
    hex(&node.0)[..FINGERPRINT].to_owned()
}

/// A key of 64 hexadecimal digits.
pub fn parse_key(text: &str) -> Option<NodeId> {
    let mut key = [0; 32];
    if text.len() != 64 || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, digits) in key.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(NodeId(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: NodeId = NodeId([0xab; 32]);
    const TWO: NodeId = NodeId([0xac; 32]);

    fn book() -> (tempfile::TempDir, Nodes) {
        let folder = tempfile::tempdir().unwrap();
        let nodes = Nodes::read(&Home::at(folder.path())).unwrap();
        (folder, nodes)
    }

    #[test]
    fn what_was_seen_is_known_again_by_the_next_run() {
        let (folder, mut nodes) = book();
        assert!(nodes.seen(ONE, "192.0.2.1:7000").unwrap());
        assert!(!nodes.seen(ONE, "192.0.2.1:7000").unwrap());
        nodes.call(ONE, "böb").unwrap();
        nodes.trust(ONE, true).unwrap();
        let again = Nodes::read(&Home::at(folder.path())).unwrap();
        assert_eq!(again.key_at("192.0.2.1:7000"), Some(ONE));
        assert_eq!((again.shown(ONE), again.is_trusted(ONE)), ("böb".into(), true));
        assert_eq!(again.key_at("192.0.2.1:7001"), None);
    }

    #[test]
    fn a_node_is_meant_by_its_name_its_address_or_the_beginning_of_its_key() {
        let (_folder, mut nodes) = book();
        nodes.seen(ONE, "192.0.2.1:7000").unwrap();
        let meant = |nodes: &Nodes, text: &str| nodes.meant(text, [TWO].into_iter());
        assert_eq!(meant(&nodes, "192.0.2.1:7000"), [ONE]);
        assert_eq!(meant(&nodes, "ABAB"), [ONE]);
        assert_eq!(meant(&nodes, "acac"), [TWO], "one that is here need not be in the book");
        assert!(meant(&nodes, "aba").is_empty(), "three digits may be a word");
        nodes.call(TWO, "abab").unwrap();
        assert_eq!(meant(&nodes, "abab"), [TWO], "a name comes first");
        nodes.call(ONE, "abab").unwrap();
        assert_eq!(meant(&nodes, "abab"), [ONE], "and is one node's alone");
    }

    #[test]
    fn a_damaged_book_is_not_taken_for_an_empty_one() {
        let (folder, nodes) = book();
        fs::create_dir_all(nodes.path.parent().unwrap()).unwrap();
        fs::write(&nodes.path, "[\"").unwrap();
        assert_eq!(Nodes::read(&Home::at(folder.path())).unwrap_err().exit, Exit::LocalIo);
    }
}
