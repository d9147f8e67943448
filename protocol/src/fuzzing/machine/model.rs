//! What a user may be told, and in which order: a much simpler machine that the node is held against.

use alloc::collections::BTreeMap;

use crate::content::identity::Role;
use crate::input::{Afterwards, Swarming};
use crate::job::JobId;
use crate::output::{Event, Pausing, Refusal};
use crate::{ConnId, ContentId, ShareId};

/// What kind of input the node has just been given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    Command(ShareId),
    /// The answer of a job of this kind.
    Answer(Kind),
    Other,
}

/// Kinds of jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Read,
    Rehash,
    Commit,
    Verify,
    Other,
}

/// How far a share is, as its user knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Served,
    Seeking,
    Offered,
    Accepted,
    /// The user wants to be offered it again.
    Reconsidered,
    Placed,
    Failed,
    /// The user wants it to end.
    Told,
    /// Nothing is ever heard of it again.
    Ended,
}

/// A peer that is up.
#[derive(Debug)]
struct Peer {
    pausing: Pausing,
    uploaded: u64,
}

#[derive(Debug)]
struct Life {
    stage: Stage,
    role: Role,
    /// Whether peers may meet: then both directions go over each connection, whoever dialled.
    swarm: Swarming,
    afterwards: Afterwards,
    content: ContentId,
    subject: Subject,
    peers: BTreeMap<ConnId, Peer>,
}

/// What a life is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Subject {
    Share,
    Room,
}

/// All shares that ever were.
#[derive(Debug, Default)]
pub(super) struct Model {
    lives: BTreeMap<ShareId, Life>,
    last_job: Option<JobId>,
}

impl Model {
    /// The stage of a share; none if there never was one.
    pub(super) fn stage(&self, share: ShareId) -> Option<Stage> {
        self.lives.get(&share).map(|life| life.stage)
    }

    /// Whether it is a share that this node serves.
    pub(super) fn is_served(&self, share: ShareId) -> bool {
        self.lives.get(&share).is_some_and(|life| life.role == Role::Responder)
    }

    /// Shares that are not over.
    pub(super) fn alive(&self) -> impl Iterator<Item = ShareId> {
        self.lives.iter().filter(|(_, life)| life.stage != Stage::Ended).map(|(share, _)| *share)
    }

    /// The share for which a connection is up.
    pub(super) fn share_of(&self, conn: ConnId) -> Option<ShareId> {
        self.lives.iter().find(|(_, life)| life.peers.contains_key(&conn)).map(|(share, _)| *share)
    }

    /// A share begins. One that is fetched meets sources, one that is served receivers.
    pub(super) fn begin(&mut self, share: ShareId, role: Role, content: ContentId) {
        let stage = match role {
            Role::Initiator => Stage::Seeking,
            Role::Responder => Stage::Served,
        };
        let (swarm, afterwards) = (Swarming::Off, Afterwards::Leave);
        let (subject, peers) = (Subject::Share, BTreeMap::new());
        let life = Life { stage, role, swarm, afterwards, content, subject, peers };
        let before = self.lives.insert(share, life);
        assert!(before.is_none(), "a driver does not use the name of a share again");
    }

    /// A share that has just begun is one of a swarm, or may become so.
    pub(super) fn swarms(&mut self, share: ShareId, swarm: Swarming, afterwards: Afterwards) {
        if let Some(life) = self.lives.get_mut(&share) {
            (life.swarm, life.afterwards) = (swarm, afterwards);
        }
    }

    /// What has just begun is a room, where everybody may meet.
    pub(super) fn meets(&mut self, room: ShareId) {
        if let Some(life) = self.lives.get_mut(&room) {
            (life.subject, life.swarm) = (Subject::Room, Swarming::On);
        }
    }

    /// Whether peers of a share may meet.
    pub(super) fn is_swarm(&self, share: ShareId) -> bool {
        self.lives.get(&share).is_some_and(|life| life.swarm == Swarming::On)
    }

    /// Whether a share that was fetched may be served from its place now.
    pub(super) fn may_seed(&self, share: ShareId) -> bool {
        let may = |life: &Life| {
            life.stage == Stage::Placed && life.role == Role::Initiator && life.afterwards == Afterwards::Seed
        };
        self.lives.get(&share).is_some_and(may)
    }

    /// What was fetched is served from now on.
    pub(super) fn seeds(&mut self, share: ShareId) {
        if let Some(life) = self.lives.get_mut(&share) {
            (life.stage, life.role) = (Stage::Served, Role::Responder);
        }
    }

    /// It was refused: there never was one.
    pub(super) fn forget(&mut self, share: ShareId) {
        self.lives.remove(&share);
    }

    /// The user has accepted.
    pub(super) fn accept(&mut self, share: ShareId) {
        self.turn(share, Stage::Accepted, |stage| stage == Stage::Offered);
    }

    /// The user wants to be offered it again.
    pub(super) fn reconsider(&mut self, share: ShareId) {
        self.turn(share, Stage::Reconsidered, |stage| stage == Stage::Accepted);
    }

    /// It was refused: all is as before.
    pub(super) fn accept_still(&mut self, share: ShareId) {
        self.turn(share, Stage::Accepted, |stage| stage == Stage::Reconsidered);
    }

    /// The user wants it to end.
    pub(super) fn tell(&mut self, share: ShareId) {
        self.turn(share, Stage::Told, |stage| !matches!(stage, Stage::Placed | Stage::Failed | Stage::Ended));
    }

    fn turn(&mut self, share: ShareId, to: Stage, if_in: impl FnOnce(Stage) -> bool) {
        if let Some(life) = self.lives.get_mut(&share)
            && if_in(life.stage)
        {
            life.stage = to;
        }
    }

    /// Jobs are numbered upwards.
    pub(super) fn job(&mut self, id: JobId) {
        assert!(self.last_job < Some(id), "no two jobs have one name");
        self.last_job = Some(id);
    }

    /// An event has its time and its cause.
    pub(super) fn event(&mut self, event: &Event, cause: Cause) {
        let share = share(event);
        if let Event::Refused { .. } = event {
            assert_eq!(cause, Cause::Command(share), "only commands are refused");
            return;
        }
        let Some(life) = self.lives.get_mut(&share) else { panic!("an event of no share: {event:?}") };
        assert_ne!(life.stage, Stage::Ended, "an event after the last: {event:?}");
        life.event(event, cause);
    }
}

impl Life {
    fn event(&mut self, event: &Event, cause: Cause) {
        let stage = self.stage;
        let is_fetching =
            matches!(stage, Stage::Seeking | Stage::Offered | Stage::Accepted | Stage::Reconsidered);
        let is_room = self.subject == Subject::Room;
        let is_there = |conn: &ConnId| self.peers.contains_key(conn);
        // Whoever fetches in a swarm serves as well, and whoever has fetched there may have been dialled.
        let gives = self.role == Role::Responder || self.swarm == Swarming::On;
        let stays = stage == Stage::Placed && self.afterwards == Afterwards::Seed;
        let good = match event {
            Event::Offer { manifest, .. } => {
                self.stage = Stage::Offered;
                let is_due = matches!(stage, Stage::Seeking | Stage::Reconsidered);
                is_due && manifest.content_id() == self.content
            }
            Event::PeerUp { conn, role, .. } => {
                let is_new = !is_there(conn);
                self.peers.insert(*conn, Peer { pausing: Pausing::Resumed, uploaded: 0 });
                let is_right = *role == self.role || self.swarm == Swarming::On;
                is_new && is_right && (is_fetching || stays || stage == Stage::Served)
            }
            Event::PeerDown { conn, .. } => self.peers.remove(conn).is_some(),
            Event::Waiting { .. } => is_fetching || is_room,
            Event::Fetching { .. } => is_fetching,
            Event::Progress { progress, .. } => {
                stage == Stage::Accepted && progress.verified <= progress.wanted
            }
            Event::Uploaded { conn, bytes, .. } => self.peers.get_mut(conn).is_some_and(|peer| {
                let before = core::mem::replace(&mut peer.uploaded, *bytes);
                gives && !is_room && before < *bytes
            }),
            Event::PeerPaused { conn, now, .. } => self
                .peers
                .get_mut(conn)
                .is_some_and(|peer| gives && core::mem::replace(&mut peer.pausing, *now) != *now),
            Event::Swarmed { .. } => {
                self.role == Role::Initiator
                    && core::mem::replace(&mut self.swarm, Swarming::On) == Swarming::AsTold
            }
            Event::Peers { peers, .. } => peers.iter().all(|peer| self.peers.contains_key(&peer.conn)),
            Event::Completed { .. } => {
                self.stage = Stage::Placed;
                cause == Cause::Answer(Kind::Commit) && matches!(stage, Stage::Accepted | Stage::Told)
            }
            Event::Failed { .. } => {
                self.stage = Stage::Failed;
                is_fetching || (stage == Stage::Told && self.role == Role::Initiator)
            }
            Event::Receipt { conn, .. } => {
                is_there(conn) && self.role == Role::Responder && cause == Cause::Answer(Kind::Verify)
            }
            Event::SourceBroken { .. } => {
                self.role == Role::Responder
                    && matches!(cause, Cause::Answer(Kind::Read | Kind::Rehash))
                    && matches!(stage, Stage::Served | Stage::Told)
            }
            Event::Ended { .. } => {
                self.stage = Stage::Ended;
                self.peers.is_empty() && matches!(stage, Stage::Placed | Stage::Failed | Stage::Told)
            }
            Event::Refused { .. } | Event::Tracker { .. } => true,
            Event::Unmet { .. }
            | Event::Reachable { .. }
            | Event::Heard { .. }
            | Event::Delivered { .. }
            | Event::Undelivered { .. } => is_room,
        };
        assert!(good, "{event:?} has no place in {stage:?} by {cause:?}");
    }
}

/// The share that an event is about.
pub(super) const fn share(event: &Event) -> ShareId {
    match event {
        Event::Offer { share, .. }
        | Event::PeerUp { share, .. }
        | Event::PeerDown { share, .. }
        | Event::Waiting { share, .. }
        | Event::Fetching { share }
        | Event::Progress { share, .. }
        | Event::Uploaded { share, .. }
        | Event::Swarmed { share }
        | Event::Peers { share, .. }
        | Event::PeerPaused { share, .. }
        | Event::Completed { share, .. }
        | Event::Failed { share, .. }
        | Event::Receipt { share, .. }
        | Event::SourceBroken { share, .. }
        | Event::Tracker { share, .. }
        | Event::Unmet { room: share, .. }
        | Event::Reachable { room: share, .. }
        | Event::Heard { room: share, .. }
        | Event::Delivered { room: share, .. }
        | Event::Undelivered { room: share, .. }
        | Event::Ended { share }
        | Event::Refused { share, .. } => *share,
    }
}

/// What a command on a share must be answered with; none: it is for the node to say.
pub(super) const fn must_refuse(stage: Option<Stage>) -> Option<Refusal> {
    match stage {
        None | Some(Stage::Ended) => Some(Refusal::UnknownShare),
        Some(_) => None,
    }
}
