//! Where a peer may be reached.

use alloc::string::String;
use core::fmt;
use core::net::SocketAddr;
use core::str::FromStr;

use serde::{Deserialize, Serialize};

/// A way to a peer. The driver resolves names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Candidate {
    /// A TCP address.
    Tcp(SocketAddr),
    /// A host name and a TCP port.
    Host {
        /// The name.
        name: HostName,
        /// The port, not zero.
        port: u16,
    },
}

/// Why a text is no candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadCandidate {
    /// Neither an address nor a host name.
    #[error("not an address or host name")]
    Host,
    /// No port, or one that is not between 1 and 65535.
    #[error("no port between 1 and 65535 (HOST:PORT is wanted)")]
    Port,
}

impl Candidate {
    /// The port to dial.
    pub const fn port(&self) -> u16 {
        match self {
            Self::Tcp(address) => address.port(),
            Self::Host { port, .. } => *port,
        }
    }
}

/// `192.0.2.1:80`, `[2001:db8::1]:80`, `host.example:80`.
impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Host { name, port } => write!(f, "{name}:{port}"),
        }
    }
}

impl FromStr for Candidate {
    type Err = BadCandidate;

    fn from_str(text: &str) -> Result<Self, BadCandidate> {
        if let Ok(address) = text.parse::<SocketAddr>() {
            return if address.port() == 0 { Err(BadCandidate::Port) } else { Ok(Self::Tcp(address)) };
        }
        let (host, port) = text.rsplit_once(':').ok_or(BadCandidate::Port)?;
        let name = HostName::new(host)?;
        // `parse` would also take a plus sign.
        let digits = port.bytes().all(|b| b.is_ascii_digit());
        match port.parse::<u16>() {
            Ok(port) if port != 0 && digits => Ok(Self::Host { name, port }),
            _ => Err(BadCandidate::Port),
        }
    }
}

impl From<SocketAddr> for Candidate {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(address)
    }
}

/// A host name in lower case: labels of letters, digits, `-` and `_`, 63 bytes each, 253 together, no dot at the end.
/// The last label is not a number, so that no name can be taken for an address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HostName(String);

impl HostName {
    /// Bytes of a name at most.
    pub const LEN_MAX: usize = 253;
    const LABEL_MAX: usize = 63;

    /// Checks a name and makes it lower case.
    ///
    /// # Errors
    /// [`BadCandidate::Host`] for anything but a host name.
    pub fn new(name: &str) -> Result<Self, BadCandidate> {
        let good = name.len() <= Self::LEN_MAX
            && name.split('.').all(Self::is_label)
            && name.rsplit('.').next().is_some_and(|last| !last.bytes().all(|b| b.is_ascii_digit()));
        if good { Ok(Self(name.to_ascii_lowercase())) } else { Err(BadCandidate::Host) }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn is_label(label: &str) -> bool {
        (1..=Self::LABEL_MAX).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
            && !label.starts_with('-')
            && !label.ends_with('-')
    }
}

impl TryFrom<String> for HostName {
    type Error = BadCandidate;

    fn try_from(name: String) -> Result<Self, BadCandidate> {
        Self::new(&name)
    }
}

impl From<HostName> for String {
    fn from(name: HostName) -> Self {
        name.0
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests;
