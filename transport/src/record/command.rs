//! Commands to recordings and back. Access secrets become numbers, and numbers stand-ins.

use std::borrow::Cow;
use std::sync::Arc;

use truecopy_protocol::content::layers::Layers;
use truecopy_protocol::content::manifest::{Manifest, ManifestLimits, TOTAL_MAX};
use truecopy_protocol::content::selection::Selection;
use truecopy_protocol::input::{Command, Fetch, Say, Share};
use truecopy_protocol::wire::Offer;
use truecopy_protocol::{AccessSecret, ContentId, ShareId};

use super::entry::{RecordedCommand, RecordedSay, RecordedShare, Secret};

/// The secrets that were met, by number.
#[derive(Debug, Default)]
pub(super) struct Secrets(Vec<AccessSecret>);

impl Secrets {
    fn number(&mut self, secret: AccessSecret) -> Secret {
        if secret == AccessSecret::PUBLIC {
            return Secret::Public;
        }
        let at = self.0.iter().position(|known| *known == secret).unwrap_or_else(|| {
            self.0.push(secret);
            self.0.len() - 1
        });
        // Every one came with a command of a user.
        Secret::Hidden(at as u32)
    }
}

impl Secret {
    /// What a replayed node takes instead.
    pub(super) fn stand_in(self) -> AccessSecret {
        match self {
            Self::Public => AccessSecret::PUBLIC,
            Self::Hidden(number) => {
                let mut bytes = *b"truecopy recording: no secret...";
                bytes[28..].copy_from_slice(&number.to_le_bytes());
                AccessSecret(bytes)
            }
        }
    }
}

/// A command as it is recorded.
pub(super) fn recorded<'a>(command: &'a Command, secrets: &mut Secrets) -> RecordedCommand<'a> {
    match command {
        Command::Announce { share, content, secret } => {
            RecordedCommand::Announce(*share, *content, secrets.number(*secret))
        }
        Command::Preparing { share, done, total } => RecordedCommand::Preparing(*share, *done, *total),
        Command::Share(spec) => RecordedCommand::Share {
            share: spec.share,
            secret: secrets.number(spec.secret),
            content: content(&spec.manifest, Some(&spec.layers)),
            swarm: (spec.swarm, spec.port),
            held: Cow::Borrowed(&spec.held),
        },
        Command::Fetch(spec) => RecordedCommand::Fetch {
            share: spec.share,
            content: spec.content,
            secret: secrets.number(spec.secret),
            peers: Cow::Borrowed(&spec.peers),
            known: spec.manifest.as_ref().map(|manifest| content(manifest, spec.layers.as_ref())),
            swarm: (spec.swarm, spec.port),
            course: (spec.order, spec.afterwards),
        },
        Command::Accept { share, selection, first } => RecordedCommand::Accept {
            share: *share,
            selection: Cow::Borrowed(selection),
            first: Cow::Borrowed(first),
        },
        Command::Reconsider { share } => RecordedCommand::Reconsider(*share),
        Command::Room { room, secret, local, port } => {
            RecordedCommand::Room { room: *room, secret: secrets.number(*secret), local: *local, port: *port }
        }
        Command::Say { room, to, tag, say } => {
            let say = match say {
                Say::Text(text) => RecordedSay::Text(Cow::Borrowed(text)),
                Say::Offer(offer) => RecordedSay::Offer(
                    Offer { secret: AccessSecret::PUBLIC, ..offer.clone() },
                    secrets.number(offer.secret),
                ),
                Say::Answer(answered) => RecordedSay::Answer(*answered),
            };
            RecordedCommand::Say(*room, *to, *tag, say)
        }
        Command::Call { room, text } => RecordedCommand::Call(*room, Cow::Borrowed(text)),
        Command::Decline { share, reason } => RecordedCommand::Decline(*share, *reason),
        Command::AddPeer { share, peer } => RecordedCommand::AddPeer(*share, Cow::Borrowed(peer)),
        Command::Pause { share } => RecordedCommand::Pause(*share),
        Command::Resume { share } => RecordedCommand::Resume(*share),
        Command::Retry { share } => RecordedCommand::Retry(*share),
        Command::End { share, reason } => RecordedCommand::End(*share, *reason),
        Command::AddTrackers { share, trackers } => {
            RecordedCommand::AddTrackers(*share, Cow::Borrowed(trackers))
        }
    }
}

fn content<'a>(manifest: &'a Manifest, layers: Option<&'a Arc<Layers>>) -> RecordedShare<'a> {
    RecordedShare {
        manifest: manifest.encoded(),
        layers: layers.map(|layers| Cow::Borrowed(layers.hashes())),
    }
}

/// Manifest or layers of a recording are not such.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BadContent;

/// What opens a share in the replayed node.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key {
    pub(super) share: ShareId,
    pub(super) content: ContentId,
    pub(super) secret: AccessSecret,
}

impl RecordedCommand<'_> {
    /// The command again, and the share that it opens, if any.
    pub(super) fn command(self) -> Result<(Command, Option<Key>), BadContent> {
        let command = match self {
            Self::Announce(share, content, secret) => {
                let secret = secret.stand_in();
                let key = Key { share, content, secret };
                return Ok((Command::Announce { share, content, secret }, Some(key)));
            }
            Self::Share { share, secret, content, swarm: (swarm, port), held } => {
                let secret = secret.stand_in();
                let held = held.into_owned();
                let (manifest, layers) = content.parts(&held)?;
                let layers = layers.ok_or(BadContent)?;
                let key = Key { share, content: manifest.content_id(), secret };
                return Ok((
                    Command::Share(Share { share, secret, manifest, layers, held, swarm, port }),
                    Some(key),
                ));
            }
            Self::Fetch { share, content, secret, peers, known, swarm, course } => {
                let secret = secret.stand_in();
                let (manifest, layers) = match known.map(|known| known.parts(&Selection::All)).transpose()? {
                    Some((manifest, layers)) => (Some(manifest), layers),
                    None => (None, None),
                };
                let peers = peers.into_owned();
                let (swarm, port) = swarm;
                let (order, afterwards) = course;
                let plain = Fetch::new(share, content, secret, peers);
                let fetch = Fetch { manifest, layers, swarm, port, order, afterwards, ..plain };
                return Ok((Command::Fetch(fetch), Some(Key { share, content, secret })));
            }
            Self::Preparing(share, done, total) => Command::Preparing { share, done, total },
            Self::Accept { share, selection, first } => {
                Command::Accept { share, selection: selection.into_owned(), first: first.into_owned() }
            }
            Self::Reconsider(share) => Command::Reconsider { share },
            Self::Room { room, secret, local, port } => {
                Command::Room { room, secret: secret.stand_in(), local, port }
            }
            Self::Say(room, to, tag, say) => {
                let say = match say {
                    RecordedSay::Text(text) => Say::Text(text.into_owned()),
                    RecordedSay::Offer(offer, secret) => {
                        Say::Offer(Offer { secret: secret.stand_in(), ..offer })
                    }
                    RecordedSay::Answer(answered) => Say::Answer(answered),
                };
                Command::Say { room, to, tag, say }
            }
            Self::Call(room, text) => Command::Call { room, text: text.into_owned() },
            Self::Decline(share, reason) => Command::Decline { share, reason },
            Self::AddPeer(share, peer) => Command::AddPeer { share, peer: peer.into_owned() },
            Self::Pause(share) => Command::Pause { share },
            Self::Resume(share) => Command::Resume { share },
            Self::Retry(share) => Command::Retry { share },
            Self::End(share, reason) => Command::End { share, reason },
            Self::AddTrackers(share, trackers) => {
                Command::AddTrackers { share, trackers: trackers.into_owned() }
            }
        };
        Ok((command, None))
    }
}

type Parts = (Arc<Manifest>, Option<Arc<Layers>>);

impl RecordedShare<'_> {
    fn parts(self, held: &Selection) -> Result<Parts, BadContent> {
        let limits = ManifestLimits { bytes_max: u32::MAX, entries_max: u32::MAX, total_max: TOTAL_MAX };
        let encoded = bytes::Bytes::copy_from_slice(self.manifest);
        let manifest = Arc::new(Manifest::decode(encoded, &limits).map_err(|_| BadContent)?);
        let known = |hashes: Cow<'_, [_]>| Layers::of_part(Arc::clone(&manifest), hashes.into_owned(), held);
        let layers = self.layers.map(known);
        let layers = layers.transpose().map_err(|_| BadContent)?;
        Ok((manifest, layers.map(Arc::new)))
    }
}
