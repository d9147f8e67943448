//! What the core says, in words for people, and the exit codes that follow.

use std::time::Duration;

use truecopy_protocol::content::manifest::Manifest;
use truecopy_protocol::input::{LinkLoss, Path, PeerHint};
use truecopy_protocol::job::StorageError;
use truecopy_protocol::output::{Failure, PeerGone, Waiting as NodeWaiting};
use truecopy_protocol::wire::Reason;
use truecopy_protocol::{EntryIndex, TrackerUrl};
use truecopy_transport::store::ConflictReason;

use crate::escape::Shown;
use crate::exit::{Error, Exit};
use crate::output::{Gone, Waiting};

/// How a link was lost.
pub const fn loss(why: LinkLoss) -> &'static str {
    match why {
        LinkLoss::Closed => "the other side closed the connection",
        LinkLoss::Cut => "the connection was cut",
        LinkLoss::Refused => "nothing listens there",
        LinkLoss::Unreachable => "there is no way there",
        LinkLoss::TimedOut => "no answer",
        LinkLoss::Damaged => "the bytes were damaged on the way, or it is no truecopy",
        LinkLoss::WrongKey => "someone else answers there, not who gave the ticket",
        LinkLoss::Local => "this machine has no connections left",
    }
}

/// Why a peer said goodbye.
pub const fn reason(why: Reason) -> &'static str {
    match why {
        Reason::Done => "it has everything",
        Reason::Declined => "the offer was declined",
        Reason::Cancelled => "cancelled there",
        Reason::Leaving => "the program ends there",
        Reason::NoSuchShare => "it does not have this share",
        Reason::Version => "it speaks another version",
        Reason::Busy => "it has too many connections",
        Reason::SourceChanged => "a file changed while it was sent",
        Reason::SourceUnreadable => "a file cannot be read there",
        Reason::Refused => "the offer was refused as unsafe or too large",
        Reason::Misbehaved => "it says that we broke the protocol",
        Reason::TooSlow => "it took too long",
        Reason::Replaced => "another connection took its place",
        Reason::Storage => "the disk failed there",
        Reason::NotInterested => "it has nothing that is missing here",
        Reason::Other(_) => "for a reason that this version does not know",
    }
}

/// Why a peer is gone.
pub fn gone(why: PeerGone, text: &mut String) -> Gone<'_> {
    match why {
        PeerGone::Said(Reason::Done) | PeerGone::Dismissed(Reason::Done) => return Gone::Finished,
        PeerGone::Said(why) => text.push_str(reason(why)),
        PeerGone::Dismissed(Reason::TooSlow) => text.push_str("it took too long"),
        PeerGone::Dismissed(why @ Reason::NotInterested) => text.push_str(reason(why)),
        PeerGone::Dismissed(Reason::NoSuchShare) => text.push_str("it asked for another share"),
        PeerGone::Dismissed(_) => text.push_str("ended by this side"),
        PeerGone::Misbehaved(fault) => {
            text.push_str("it broke the protocol: ");
            text.push_str(&fault.to_string());
        }
        PeerGone::Lost(why) => {
            text.push_str(loss(why));
            return Gone::Lost { why: text };
        }
    }
    Gone::Goodbye { why: text }
}

/// The name and the address of a path.
pub fn path(path: Path) -> (&'static str, String) {
    match path {
        Path::Tcp(address) => ("tcp", address.to_string()),
        Path::Memory => ("memory", String::new()),
    }
}

/// Why a fetch waits. `addresses` says where its peers should be.
pub fn waiting(why: NodeWaiting, addresses: &str) -> Waiting<'_> {
    match why {
        NodeWaiting::Dialing => Waiting::Connecting { address: addresses },
        NodeWaiting::Backoff { why, retry_ms, .. } => {
            Waiting::Retrying { why: loss(why), next: Duration::from_millis(retry_ms) }
        }
        NodeWaiting::Preparing { done, total } => {
            let percent = done.saturating_mul(100).checked_div(total).unwrap_or(0).min(100);
            Waiting::Preparing { percent: u8::try_from(percent).unwrap_or(100) }
        }
        NodeWaiting::Paused => Waiting::PausedHere,
        NodeWaiting::Rechecking => Waiting::Rechecking,
        NodeWaiting::Manifest => Waiting::Manifest,
        NodeWaiting::Placing => Waiting::Disk,
    }
}

/// The addresses of peers, in words: the first three; without any the trackers that may name some.
pub fn addresses(peers: &[PeerHint], trackers: &[TrackerUrl]) -> String {
    if peers.iter().all(|peer| peer.addresses.is_empty()) {
        let trackers: Vec<&str> = trackers.iter().map(TrackerUrl::as_str).collect();
        return format!("whoever is named by {}", trackers.join(", "));
    }
    let mut all: Vec<String> =
        peers.iter().flat_map(|peer| &peer.addresses).map(ToString::to_string).collect();
    let more = all.len().saturating_sub(3);
    all.truncate(3);
    match more {
        0 => all.join(", "),
        more => format!("{} and {more} more", all.join(", ")),
    }
}

/// Why something stands in the way.
pub const fn conflict(why: ConflictReason) -> &'static str {
    match why {
        ConflictReason::Differs => "something else is there",
        ConflictReason::Link => "a link is there",
        ConflictReason::Folder => "a folder is there",
        ConflictReason::Special => "a device, a pipe or a socket is there",
        ConflictReason::NoFolder => "a folder must go where something else is",
        ConflictReason::Impossible => "the name cannot exist here, or not beside another of the same offer",
    }
}

/// What a failed disk means, and where.
pub fn storage(error: StorageError, place: &std::path::Path) -> Error {
    let place = Shown::path(place);
    let (exit, what, hint) = match error {
        StorageError::NoSpace => (
            Exit::LocalIo,
            format!("no space is left in {place}"),
            "make space and run the same command again: it goes on from here",
        ),
        StorageError::Denied => (
            Exit::LocalIo,
            format!("writing to {place} is not allowed"),
            "check who may write there, or choose another folder with -o",
        ),
        StorageError::Changed => (
            Exit::LocalIo,
            format!("what was staged in {place} was changed by another program"),
            "run the same command again: what is damaged is fetched again",
        ),
        StorageError::Vanished => (
            Exit::LocalIo,
            format!("{place}, or something in it, is gone"),
            "check the folder and run the same command again",
        ),
        StorageError::Conflict => (
            Exit::Conflict,
            format!("a name in {place} was taken meanwhile"),
            "run the same command again, with --on-conflict",
        ),
        StorageError::Held => (
            Exit::Conflict,
            format!("another process works on this share in {place}"),
            "wait for it, or choose another folder with -o",
        ),
        StorageError::Io => (
            Exit::LocalIo,
            format!("the disk failed in {place}"),
            "check the disk; run the same command again to go on",
        ),
        StorageError::Unsupported => (
            Exit::LocalIo,
            format!("the file system of {place} cannot hold this"),
            "choose another folder with -o",
        ),
    };
    Error::new(exit, what).hint(hint)
}

fn entry_name(manifest: Option<&Manifest>, entry: Option<EntryIndex>) -> String {
    let found = manifest.zip(entry).and_then(|(manifest, entry)| manifest.entry(entry));
    found.map_or_else(|| "a file".to_owned(), |entry| Shown::name(entry.path.as_bytes()).to_string())
}

/// Why a fetch failed, and what to do next.
pub fn failure(why: &Failure, manifest: Option<&Manifest>, place: &std::path::Path) -> Error {
    match *why {
        Failure::NotFound(why) => {
            Error::new(Exit::PeerNotFound, format!("the sender was not reached: {}", loss(why))).hint(
                "check that `truecopy send` still runs there and that its address can be reached from here",
            )
        }
        Failure::NoSuchShare => Error::new(Exit::PeerNotFound, "who answers there does not have this share")
            .hint("ask for a new ticket: the sender may have been started again with other files"),
        Failure::LinkLost(why) => {
            Error::new(Exit::LinkLost, format!("the connection was lost: {}", loss(why)))
                .hint("what is verified is kept; run the same command again to go on")
        }
        Failure::NotAvailable => {
            Error::new(Exit::PeerNotFound, "nobody who was reached has what is still missing here")
                .hint("what is verified is kept; run the same command again when another sender is there")
        }
        Failure::Version => {
            Error::new(Exit::Version, "the other side speaks another version of the protocol")
                .hint("bring both sides to the same version")
        }
        Failure::SourceChanged(entry) => Error::new(
            Exit::SourceChanged,
            format!("{} was changed on the sender while it was sent", entry_name(manifest, entry)),
        )
        .hint("have it sent again once nothing writes to it, and use the new ticket"),
        Failure::SourceUnreadable(entry) => {
            Error::new(Exit::LinkLost, format!("the sender cannot read {}", entry_name(manifest, entry)))
                .hint("what is verified is kept; run the same command again when the sender can read it")
        }
        Failure::SenderLeft(Reason::Declined) => Error::new(Exit::Declined, "the sender declined"),
        Failure::SenderLeft(why) => Error::new(Exit::LinkLost, format!("the sender ended: {}", reason(why)))
            .hint("what is verified is kept; run the same command again to go on"),
        Failure::Integrity(fault) => {
            Error::new(Exit::Integrity, format!("what came is not what the ticket names: {fault}"))
                .hint("nothing was placed; do not trust this sender, or have its disk and memory checked")
        }
        Failure::BadOffer(error) => Error::new(Exit::UnsafeOffer, format!("the offer was refused: {error}"))
            .hint("nothing was written; ask the sender what this is"),
        Failure::OfferTooLarge(bytes) => {
            Error::new(Exit::Limit, format!("the offer's list of files is too large: {} bytes", bytes))
                .hint("ask for it in several parts")
        }
        Failure::Storage(error) => storage(error, place),
    }
}

/// A file of ours is not what was hashed: how the program ends if that was all it served, what receivers are told, and
/// what happened.
pub fn broken(manifest: &Manifest, entry: EntryIndex, why: StorageError) -> (Exit, Reason, String) {
    let name = manifest.entry(entry).map(|entry| Shown::name(entry.path.as_bytes()).to_string());
    let name = name.unwrap_or_else(|| "a file".to_owned());
    match why {
        StorageError::Changed => {
            (Exit::SourceChanged, Reason::SourceChanged, format!("{name} was changed while it was sent"))
        }
        StorageError::Vanished => {
            (Exit::SourceChanged, Reason::SourceChanged, format!("{name} was removed while it was sent"))
        }
        other => (Exit::LocalIo, Reason::SourceUnreadable, format!("{name} cannot be read: {other}")),
    }
}
