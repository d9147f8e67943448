//! What opens a share: its ContentId and access secret.

use core::fmt;

use crate::content::identity::{ProofContext, Role, ShareProof, discovery_key, share_proof};
use crate::content::tree;
use crate::{AccessSecret, ContentId, DiscoveryKey};

/// Names a share to those who know it, and proves that we do.
#[derive(Clone, Copy)]
pub(crate) struct ShareKey {
    content: ContentId,
    secret: AccessSecret,
    discovery: DiscoveryKey,
}

impl ShareKey {
    pub(crate) fn new(content: ContentId, secret: AccessSecret) -> Self {
        Self { content, secret, discovery: discovery_key(&content, &secret) }
    }

    /// What opens a room (PROTOCOL §7.1): its name is that of no content.
    pub(crate) fn room(secret: AccessSecret) -> Self {
        Self::new(ContentId(tree::leaf(b"truecopy/1 room").0), secret)
    }

    pub(crate) const fn discovery(&self) -> DiscoveryKey {
        self.discovery
    }

    pub(crate) fn prove(&self, role: Role, context: &ProofContext) -> ShareProof {
        share_proof(&self.content, &self.secret, role, context)
    }
}

impl fmt::Debug for ShareKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ShareKey({:?})", self.content)
    }
}
