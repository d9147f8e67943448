//! Deadlines of sockets, one for each token.

use std::collections::{BTreeMap, BTreeSet};

use mio::Token;
use truecopy_protocol::Now;

#[derive(Debug, Default)]
pub(crate) struct Deadlines {
    due: BTreeMap<Token, Now>,
    order: BTreeSet<(Now, Token)>,
}

impl Deadlines {
    pub(crate) fn set(&mut self, token: Token, at: Now) {
        self.clear(token);
        self.due.insert(token, at);
        self.order.insert((at, token));
    }

    pub(crate) fn clear(&mut self, token: Token) {
        if let Some(at) = self.due.remove(&token) {
            self.order.remove(&(at, token));
        }
    }

    pub(crate) fn next(&self) -> Option<Now> {
        self.order.first().map(|(at, _)| *at)
    }

    /// A token whose time has come; its deadline is gone then.
    pub(crate) fn expire(&mut self, now: Now) -> Option<Token> {
        let (at, token) = self.order.first().copied()?;
        (at <= now).then(|| {
            self.clear(token);
            token
        })
    }
}
