//! Share proofs in replayed bytes: those made with a secret that the recording does not hold are made anew with its
//! stand-in, where they held; all others stay wrong as they were.

use truecopy_protocol::NodeId;
use truecopy_protocol::content::identity::{
    Nonce, ProofContext, Role, ShareProof, discovery_key, share_proof,
};
use truecopy_protocol::wire::{Decoder, Item, Message, Prove, Proven};

use super::command::Key;

/// The incoming side of one connection until its share proof has come.
#[derive(Debug)]
pub(super) struct StandIn {
    role: Role,
    local: NodeId,
    peer: NodeId,
    our_nonce: Option<Nonce>,
    peer_nonce: Option<Nonce>,
    /// The beginning of a message that is not whole yet; none once the proof has come.
    held: Option<Vec<u8>>,
}

impl StandIn {
    /// `greeting` is what the node has to send first.
    pub(super) fn new(role: Role, local: NodeId, peer: NodeId, greeting: &[u8]) -> Self {
        let mut greeting = greeting;
        let our_nonce = match Decoder::default().next(&mut greeting) {
            Ok(Some(Item::Message(Message::Hello(hello)))) => Some(hello.nonce),
            _ => None,
        };
        Self { role, local, peer, our_nonce, peer_nonce: None, held: Some(Vec::new()) }
    }

    /// Takes received bytes and returns those to give to the node: until the proof has come, whole messages only.
    /// `opens` is the share that these bytes opened in the recorded run.
    pub(super) fn rewrite(&mut self, bytes: Vec<u8>, opens: Option<Key>) -> Vec<u8> {
        let Some(mut held) = self.held.take() else { return bytes };
        held.extend_from_slice(&bytes);
        let (mut decoder, mut rest, mut out) = (Decoder::default(), &held[..], Vec::new());
        loop {
            let before = rest;
            let message = match decoder.next(&mut rest) {
                Ok(None) => {
                    self.held = Some(before.to_vec());
                    return out;
                }
                Ok(Some(Item::Message(message))) => message,
                // No place for them here: the node will say so.
                Ok(Some(Item::Blocks(_) | Item::Payload(_))) | Err(_) => {
                    out.extend_from_slice(before);
                    return out;
                }
            };
            let frame = &before[..before.len() - rest.len()];
            let remade = match message {
                Message::Hello(hello) => {
                    self.peer_nonce.get_or_insert(hello.nonce);
                    out.extend_from_slice(frame);
                    continue;
                }
                Message::Prove(_) => opens.and_then(|key| {
                    let proof = self.proof(&key, Role::Initiator)?;
                    let discovery = discovery_key(&key.content, &key.secret);
                    Some(Message::Prove(Prove { discovery, proof }))
                }),
                Message::Proven(_) => opens.and_then(|key| {
                    let proof = self.proof(&key, Role::Responder)?;
                    Some(Message::Proven(Proven { proof }))
                }),
                _ => {
                    out.extend_from_slice(frame);
                    continue;
                }
            };
            match remade {
                Some(message) => message.encode(&mut out),
                None => out.extend_from_slice(frame),
            }
            out.extend_from_slice(rest);
            return out;
        }
    }

    fn proof(&self, key: &Key, by: Role) -> Option<ShareProof> {
        let (ours, peers) = (self.our_nonce?, self.peer_nonce?);
        let (initiator, responder, initiator_nonce, responder_nonce) = match self.role {
            Role::Initiator => (self.local, self.peer, ours, peers),
            Role::Responder => (self.peer, self.local, peers, ours),
        };
        let context = ProofContext { initiator, responder, initiator_nonce, responder_nonce };
        Some(share_proof(&key.content, &key.secret, by, &context))
    }
}
