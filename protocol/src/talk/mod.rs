//! What nodes say to each other in a room: an ordered line to each peer, and calls to all. Knows nothing of sessions, of
//! shares and of the door. PROTOCOL §7.

pub(crate) mod calls;
pub(crate) mod line;
pub(crate) mod owing;
