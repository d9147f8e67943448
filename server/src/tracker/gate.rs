//! Whether an announce is the node's: signatures and tokens. Has no state, so it runs beside the tracker's lock.

use std::fmt;
use std::net::IpAddr;

use truecopy_protocol::UnixTime;
use truecopy_protocol::job::Verdict;
use truecopy_transport::keys::verify;

use super::statement::mark;
use super::{Announce, Denied, Mark, Proof, Token};

/// Seconds by which the clocks of a peer and the tracker may differ.
pub const WINDOW: u64 = 300;

/// Seconds for which a token stands in for a signature.
pub const TOKEN_TTL: u64 = 12 * 3600;

/// Lets announces through that are proven.
pub struct Gate {
    origin: String,
    secret: [u8; 32],
    since: UnixTime,
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Gate({})", self.origin)
    }
}

/// An announce was proven. Only a [`Gate`] makes one.
#[derive(Clone, Copy, Debug)]
pub struct Proven {
    mark: Option<Mark>,
    token: Token,
}

impl Proven {
    /// By what the statement is known again; none if a token was shown.
    pub const fn mark(&self) -> Option<Mark> {
        self.mark
    }

    /// The token for the next announces. Announcing with a token does not prolong it: after [`TOKEN_TTL`] the node
    /// must sign again, so that who only shares its address cannot go on in its name for ever.
    pub const fn token(&self) -> Token {
        self.token
    }
}

impl Gate {
    /// A gate of the tracker with this origin (`scheme://host[:port]`) and secret. Statements from before `since`, its
    /// start, are refused: an earlier run may have taken them, and what it took is not kept.
    pub const fn new(origin: String, secret: [u8; 32], since: UnixTime) -> Self {
        Self { origin, secret, since }
    }

    /// The tracker's name in statements.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Checks the proof of an announce that came from `source`.
    ///
    /// # Errors
    /// [`Denied::WrongTime`], [`Denied::Forged`], [`Denied::BadToken`].
    pub fn check(&self, now: UnixTime, source: IpAddr, announce: &Announce) -> Result<Proven, Denied> {
        let source = source.to_canonical();
        let Announce { discovery, node, .. } = announce;
        match &announce.proof {
            Proof::Token(token) => {
                let holds = token.holds(&self.secret, node, discovery, source, now);
                if holds { Ok(Proven { mark: None, token: *token }) } else { Err(Denied::BadToken) }
            }
            Proof::Signed { time, nonce, signature } => {
                if time.0.abs_diff(now.0) > WINDOW || *time < self.since {
                    return Err(Denied::WrongTime);
                }
                let statement = announce.statement(&self.origin, *time, nonce);
                match verify(*node, &statement, signature) {
                    Verdict::Genuine => {
                        let expiry = UnixTime(now.0.saturating_add(TOKEN_TTL));
                        let token = Token::issue(&self.secret, node, discovery, source, expiry);
                        Ok(Proven { mark: Some(mark(&statement)), token })
                    }
                    Verdict::Forged => Err(Denied::Forged),
                }
            }
        }
    }
}

#[cfg(feature = "fuzzing")]
impl Gate {
    /// A token as for a node that signed, good for an hour.
    pub(crate) fn token(
        &self,
        now: UnixTime,
        node: &truecopy_protocol::NodeId,
        discovery: &truecopy_protocol::DiscoveryKey,
        source: IpAddr,
    ) -> Token {
        Token::issue(&self.secret, node, discovery, source.to_canonical(), UnixTime(now.0 + 3600))
    }
}
