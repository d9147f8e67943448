//! What is to be fetched and who may have it.

use std::sync::Arc;

use truecopy_protocol::Candidate;
use truecopy_protocol::content::layers::Layers;
use truecopy_protocol::content::manifest::Manifest;
use truecopy_protocol::input::{Fetch, PeerHint, Swarming};
use truecopy_protocol::{AccessSecret, ContentId, ShareId, Trackers};

use super::super::source::{self, Source};
use crate::args::{GetArgs, PeerSpec};
use crate::exit::{Error, Result};
use crate::words;

/// What is to be fetched and who may have it.
pub(crate) struct Wanted {
    pub(crate) content: ContentId,
    pub(crate) secret: AccessSecret,
    peers: Vec<PeerHint>,
    trackers: Trackers,
    known: Option<(Arc<Manifest>, Arc<Layers>)>,
    /// Whoever has the name of it may have it: then receivers may know each other.
    is_published: bool,
}

impl Wanted {
    /// Reads the ticket or the metadata file, and every `--peer`.
    pub(crate) fn read(args: &GetArgs) -> Result<Self> {
        let mut wanted = match source::read(&args.source)? {
            Source::Ticket(ticket) => Self {
                content: ticket.content,
                secret: ticket.secret,
                peers: vec![PeerHint { key: Some(ticket.node), addresses: ticket.addresses }],
                trackers: ticket.trackers,
                known: None,
                is_published: false,
            },
            Source::Link(link) => Self {
                content: link.content,
                secret: link.secret,
                peers: Vec::new(),
                trackers: link.trackers,
                known: None,
                is_published: true,
            },
            Source::Metadata(metadata) => Self {
                content: metadata.manifest.content_id(),
                secret: AccessSecret::PUBLIC,
                peers: Vec::new(),
                trackers: metadata.trackers,
                known: Some((metadata.manifest, Arc::new(metadata.layers))),
                is_published: true,
            },
        };
        for peer in &args.peer {
            wanted.add(peer)?;
        }
        args.tracker.iter().for_each(|tracker| wanted.trackers.add(tracker.clone()));
        if wanted.trackers.is_empty() && wanted.peers.iter().all(|peer| peer.addresses.is_empty()) {
            return Err(Error::usage("nothing says who has it")
                .hint("name a peer or a tracker: --peer HOST:PORT, --tracker URL"));
        }
        Ok(wanted)
    }

    /// Where peers announce themselves.
    pub(crate) const fn trackers(&self) -> &Trackers {
        &self.trackers
    }

    /// Where the peers should be, in words.
    pub(crate) fn addresses(&self) -> String {
        words::addresses(&self.peers, &self.trackers)
    }

    fn add(&mut self, peer: &PeerSpec) -> Result<()> {
        let hint = match peer {
            PeerSpec::Host { host, port } => {
                let text =
                    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
                let address: Candidate = text
                    .parse()
                    .map_err(|error| Error::usage(format!("--peer {text} is no address: {error}")))?;
                PeerHint { key: None, addresses: vec![address] }
            }
            PeerSpec::Ticket(text) => {
                let ticket = source::read_ticket(text)?;
                if ticket.content != self.content {
                    return Err(Error::usage("the ticket of --peer names another content"));
                }
                if self.secret == AccessSecret::PUBLIC {
                    self.secret = ticket.secret;
                }
                ticket.trackers.iter().for_each(|tracker| self.trackers.add(tracker.clone()));
                PeerHint { key: Some(ticket.node), addresses: ticket.addresses }
            }
        };
        self.peers.push(hint);
        Ok(())
    }

    /// Whether receivers learn of each other: of what is published they may, else the sender says.
    pub(crate) fn swarming(&self, args: &GetArgs) -> Swarming {
        match self.is_published {
            _ if args.swarm.no_swarm => Swarming::Off,
            true => Swarming::On,
            false => Swarming::AsTold,
        }
    }

    /// What the core is asked for. A manifest that an earlier run left in `place` is used again.
    pub(crate) fn fetch(self, share: ShareId, place: &std::path::Path) -> Result<Fetch> {
        let (manifest, layers) = match self.known {
            Some((manifest, layers)) => (Some(manifest), Some(layers)),
            None => (super::offer::staged_manifest(place, self.content), None),
        };
        Ok(Fetch { manifest, layers, ..Fetch::new(share, self.content, self.secret, self.peers) })
    }
}
