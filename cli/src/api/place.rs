//! Where the API is found: two files in the state folder that only the user can read.

use std::fs;
use std::path::PathBuf;

use truecopy_protocol::hex;

use super::gate::read_token;
use crate::exit::{Error, Exit, Result};
use crate::home::{self, Home};

/// The address and the token of the daemon of a home.
#[derive(Clone, Debug)]
pub struct Place {
    address: PathBuf,
    token: PathBuf,
}

impl Place {
    /// Those of this home.
    pub fn new(home: &Home) -> Self {
        Self { address: home.state().join("api.address"), token: home.state().join("api.token") }
    }

    /// Makes a token that no earlier run has shown to anybody, and writes both down.
    ///
    /// # Errors
    /// If they cannot be written.
    pub(super) fn tell(&self, address: &str, token: &[u8; 32]) -> Result<()> {
        let write = |path: &PathBuf, text: String| {
            home::write_private(path, text.as_bytes()).map_err(|error| Error::local("write", path, &error))
        };
        write(&self.token, format!("{}\n", hex(token)))?;
        write(&self.address, format!("{address}\n"))
    }

    /// Takes both away: the daemon has ended.
    pub(super) fn forget(&self) {
        // What stays is of no use to anybody: the token is good for this run alone.
        let _ = fs::remove_file(&self.address);
        let _ = fs::remove_file(&self.token);
    }

    /// The address and the token of the daemon that runs, or ran last.
    ///
    /// # Errors
    /// `NoDaemon` if there is none.
    pub(super) fn read(&self) -> Result<(String, String)> {
        let text = |path: &PathBuf| fs::read_to_string(path).map(|text| text.trim().to_owned());
        match (text(&self.address), text(&self.token)) {
            (Ok(address), Ok(token)) if read_token(&token).is_some() => Ok((address, token)),
            _ => Err(none("no daemon runs here")),
        }
    }
}

/// There is no daemon to talk to.
pub(super) fn none(what: impl std::fmt::Display) -> Error {
    Error::new(Exit::NoDaemon, what).hint("start it: truecopy daemon")
}
