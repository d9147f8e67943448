//! One connection of a node: its session, and what goes over it in either direction.

use alloc::boxed::Box;

use crate::ShareId;
use crate::session::Session;
use crate::swarm::circle::Acquaintance;
use crate::swarm::download::Download;
use crate::swarm::upload::Upload;

/// What a connection is for.
#[derive(Debug)]
pub(super) enum Purpose {
    /// No share is agreed on; an initiator's will be this one.
    Strange(Option<ShareId>),
    /// Both ends have proven that they know this share.
    Open(ShareId, Box<Exchange>),
    /// Hung up: only what is sendable still goes out.
    Leaving(Option<ShareId>),
}

/// The two directions of an open session. In a swarm both are there.
#[derive(Debug, Default)]
pub(super) struct Exchange {
    /// We fetch from the peer.
    pub(super) download: Option<Download>,
    /// The peer fetches from us.
    pub(super) upload: Option<Upload>,
    /// What the peer and we told each other of others.
    pub(super) acquaintance: Acquaintance,
}

/// Whether the driver may deliver received bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    Open,
    Paused,
}

#[derive(Debug)]
pub(super) struct Conn {
    pub(super) session: Session,
    pub(super) purpose: Purpose,
    pub(super) reading: Reading,
}

impl Purpose {
    pub(super) const fn share(&self) -> Option<ShareId> {
        match self {
            Self::Strange(share) | Self::Leaving(share) => *share,
            Self::Open(share, _) => Some(*share),
        }
    }
}

impl Conn {
    /// The share and the exchange of an open session.
    pub(super) fn exchange(&self) -> Option<(ShareId, &Exchange)> {
        match &self.purpose {
            Purpose::Open(share, exchange) => Some((*share, exchange)),
            Purpose::Strange(_) | Purpose::Leaving(_) => None,
        }
    }

    pub(super) fn exchange_mut(&mut self) -> Option<(ShareId, &mut Exchange)> {
        match &mut self.purpose {
            Purpose::Open(share, exchange) => Some((*share, exchange)),
            Purpose::Strange(_) | Purpose::Leaving(_) => None,
        }
    }

    pub(super) fn download(&self) -> Option<&Download> {
        self.exchange()?.1.download.as_ref()
    }

    pub(super) fn download_mut(&mut self) -> Option<&mut Download> {
        self.exchange_mut()?.1.download.as_mut()
    }

    pub(super) fn upload(&self) -> Option<&Upload> {
        self.exchange()?.1.upload.as_ref()
    }

    pub(super) fn upload_mut(&mut self) -> Option<&mut Upload> {
        self.exchange_mut()?.1.upload.as_mut()
    }
}
