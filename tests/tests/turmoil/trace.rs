//! What happened in a world: a digest of everything, and the events that stories wait for.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::rc::Rc;

use truecopy_protocol::NodeId;
use truecopy_protocol::job::Verdict;
use truecopy_protocol::output::{Event, PeerGone, Progress};

/// What one host said since it was last started.
#[derive(Clone, Debug, Default)]
pub(crate) struct Said {
    pub(crate) progress: Progress,
    pub(crate) is_completed: bool,
    /// Connections that came up, and how those that went were lost.
    pub(crate) ups: usize,
    pub(crate) downs: Vec<PeerGone>,
    /// Who has sent a receipt whose signature held.
    pub(crate) receipts: BTreeSet<NodeId>,
}

#[derive(Default)]
struct Inner {
    digest: DefaultHasher,
    said: BTreeMap<String, Said>,
}

/// A handle to the trace of a world.
#[derive(Clone, Default)]
pub(crate) struct Trace(Rc<RefCell<Inner>>);

impl Trace {
    /// Adds something that happened, and when, to the digest.
    pub(crate) fn note(&self, what: impl Hash) {
        let digest = &mut self.0.borrow_mut().digest;
        turmoil::sim_elapsed().hash(digest);
        what.hash(digest);
    }

    /// A host begins, perhaps again.
    pub(crate) fn begin(&self, host: &str) {
        self.note(("begin", host));
        self.0.borrow_mut().said.insert(host.to_owned(), Said::default());
    }

    /// A host said something.
    pub(crate) fn event(&self, host: &str, event: &Event) {
        self.note((host, format!("{event:?}")));
        let mut inner = self.0.borrow_mut();
        let said = inner.said.entry(host.to_owned()).or_default();
        match event {
            Event::Progress { progress, .. } => said.progress = *progress,
            Event::Completed { .. } => said.is_completed = true,
            Event::PeerUp { .. } => said.ups += 1,
            Event::PeerDown { why, .. } => said.downs.push(*why),
            Event::Receipt { peer, verdict: Verdict::Genuine, .. } => {
                said.receipts.insert(*peer);
            }
            Event::Receipt { .. } | Event::Failed { .. } | Event::SourceBroken { .. } => {
                panic!("{host}: {event:?}")
            }
            _ => {}
        }
    }

    /// What a host said since it was last started.
    pub(crate) fn said(&self, host: &str) -> Said {
        self.0.borrow().said.get(host).cloned().unwrap_or_default()
    }

    /// Of everything so far.
    pub(crate) fn digest(&self) -> u64 {
        self.0.borrow().digest.finish()
    }
}
