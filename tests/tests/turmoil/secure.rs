//! The channel that a host runs: TLS as the program does, or none.

use truecopy_protocol::NodeId;
use truecopy_sim::clear::Clear;
use truecopy_transport::channel::Channel;
use truecopy_transport::channel::buffers::Pool;
use truecopy_transport::channel::tls::{Tls, TlsConfig};
use truecopy_transport::keys::KeyPair;

/// What makes the channels of one host.
pub(crate) trait Secure {
    type Channel: Channel + 'static;

    fn of(key: &KeyPair) -> Self;
    fn connect(&self, expected: Option<NodeId>) -> Self::Channel;
    fn accept(&self) -> Self::Channel;
}

impl Secure for TlsConfig {
    type Channel = Tls;

    fn of(key: &KeyPair) -> Self {
        Self::new(key).unwrap()
    }

    fn connect(&self, expected: Option<NodeId>) -> Tls {
        self.connect(expected).unwrap()
    }

    fn accept(&self) -> Tls {
        self.accept().unwrap()
    }
}

/// Channels that prove nothing: what is wrong under them reaches the frames and hashes.
pub(crate) struct ClearConfig {
    local: NodeId,
    pool: Pool,
}

impl Secure for ClearConfig {
    type Channel = Clear;

    fn of(key: &KeyPair) -> Self {
        Self { local: key.node_id(), pool: Pool::default() }
    }

    fn connect(&self, expected: Option<NodeId>) -> Clear {
        Clear::new(self.local, expected, self.pool.clone())
    }

    fn accept(&self) -> Clear {
        Clear::new(self.local, None, self.pool.clone())
    }
}
