//! Where a peer may be reached.

use alloc::string::String;
use core::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// An address to dial. Names are resolved by the driver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Candidate {
    /// TCP to an address.
    Tcp(SocketAddr),
    /// TCP to a host name.
    Host {
        /// The name.
        name: String,
        /// The port.
        port: u16,
    },
}
