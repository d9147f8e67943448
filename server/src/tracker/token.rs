//! What a node that has signed shows instead, the next times: a statement of the tracker to itself.

use std::fmt;
use std::net::IpAddr;

use truecopy_protocol::content::identity::{hmac_sha256, same};
use truecopy_protocol::{DiscoveryKey, NodeId, UnixTime};

const TAG: &[u8] = b"truecopy/1 announce-token";

/// HMAC-SHA256 over node, share, observed address and expiry, with the expiry in front.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Token(pub [u8; Self::LEN]);

impl Token {
    /// Bytes of a token.
    pub const LEN: usize = 40;

    /// Makes the token that is good until `expiry`.
    pub(super) fn issue(
        secret: &[u8; 32],
        node: &NodeId,
        discovery: &DiscoveryKey,
        source: IpAddr,
        expiry: UnixTime,
    ) -> Self {
        let ip = match source {
            IpAddr::V4(ip) => ip.to_ipv6_mapped(),
            IpAddr::V6(ip) => ip,
        };
        let expiry = expiry.0.to_le_bytes();
        let mac = hmac_sha256(secret, &[TAG, &node.0, &discovery.0, &ip.octets(), &expiry]);
        let mut token = [0; Self::LEN];
        token[..8].copy_from_slice(&expiry);
        token[8..].copy_from_slice(&mac);
        Self(token)
    }

    /// Whether the token is ours for these, and still good.
    pub(super) fn holds(
        &self,
        secret: &[u8; 32],
        node: &NodeId,
        discovery: &DiscoveryKey,
        source: IpAddr,
        now: UnixTime,
    ) -> bool {
        let (mut expiry, mut mac) = ([0; 8], [0; 32]);
        expiry.copy_from_slice(&self.0[..8]);
        mac.copy_from_slice(&self.0[8..]);
        let expiry = UnixTime(u64::from_le_bytes(expiry));
        let mut expected = [0; 32];
        expected.copy_from_slice(&Self::issue(secret, node, discovery, source, expiry).0[8..]);
        same(&mac, &expected) && now < expiry
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}
