use std::string::ToString;
use std::vec;
use std::vec::Vec;

use super::*;
use crate::EntryIndex;

/// RFC 4231, test cases 1 to 4, 6 and 7.
#[test]
fn the_vectors_of_rfc_4231_hold() {
    let cases: [(Vec<u8>, Vec<u8>, &str); 6] = [
        (
            vec![0x0b; 20],
            b"Hi There".to_vec(),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
        ),
        (
            b"Jefe".to_vec(),
            b"what do ya want for nothing?".to_vec(),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        ),
        (vec![0xaa; 20], vec![0xdd; 50], "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"),
        (
            (1..=25).collect(),
            vec![0xcd; 50],
            "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b",
        ),
        (
            vec![0xaa; 131],
            b"Test Using Larger Than Block-Size Key - Hash Key First".to_vec(),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
        ),
        (
            vec![0xaa; 131],
            b"This is a test using a larger than block-size key and a larger than block-size data. \
              The key needs to be hashed before being used by the HMAC algorithm."
                .to_vec(),
            "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
        ),
    ];
    for (key, data, expected) in cases {
        let (left, right) = data.split_at(data.len() / 3);
        assert_eq!(crate::hex(&hmac_sha256(&key, &[left, right])), expected);
    }
}

fn context() -> ProofContext {
    ProofContext {
        initiator: NodeId([1; 32]),
        responder: NodeId([2; 32]),
        initiator_nonce: Nonce([3; 32]),
        responder_nonce: Nonce([4; 32]),
    }
}

#[test]
fn a_proof_holds_for_one_share_one_role_and_one_connection() {
    let (content, secret, context) = (ContentId([8; 32]), AccessSecret([9; 32]), context());
    let proof = share_proof(&content, &secret, Role::Initiator, &context);
    assert_eq!(proof, share_proof(&content, &secret, Role::Initiator, &context));
    let swapped = ProofContext { initiator: context.responder, responder: context.initiator, ..context };
    let others = [
        share_proof(&ContentId([7; 32]), &secret, Role::Initiator, &context),
        share_proof(&content, &AccessSecret::PUBLIC, Role::Initiator, &context),
        share_proof(&content, &secret, Role::Responder, &context),
        share_proof(&content, &secret, Role::Initiator, &swapped),
        share_proof(
            &content,
            &secret,
            Role::Initiator,
            &ProofContext { initiator_nonce: Nonce([5; 32]), ..context },
        ),
        share_proof(
            &content,
            &secret,
            Role::Initiator,
            &ProofContext { responder_nonce: Nonce([5; 32]), ..context },
        ),
    ];
    assert!(others.iter().all(|other| *other != proof));
}

/// Written out by hand from the definition, so that a change of the format is noticed.
#[test]
fn identifiers_are_what_the_protocol_says() {
    let identity = ManifestIdentity { size: 0x0102, root: Hash([5; 32]) };
    let content: [u8; 32] =
        Sha256::digest([&b"truecopy/1 content-id\x02\x01\0\0\0\0\0\0"[..], &[5; 32]].concat()).into();
    assert_eq!(content_id(&identity).0, content);
    let key: [u8; 32] =
        Sha256::digest([&b"truecopy/1 discovery-key"[..], &content, &[6; 32]].concat()).into();
    assert_eq!(discovery_key(&ContentId(content), &AccessSecret([6; 32])).0, key);
}

#[test]
fn a_selection_of_every_entry_is_not_everything() {
    let none = selection_digest(&Selection::Some(vec![]));
    let first = selection_digest(&Selection::Some(vec![EntryIndex(0)]));
    let all = selection_digest(&Selection::All);
    assert!(none != first && first != all && all != none);
}

#[test]
fn a_receipt_statement_has_its_fields_at_fixed_places() {
    let statement = ReceiptStatement {
        content: ContentId([1; 32]),
        selection: Hash([2; 32]),
        outcome: Outcome { placed: 3, already: 4, skipped: 5, bytes: 6 },
        receiver: NodeId([7; 32]),
        sender: NodeId([8; 32]),
        sender_nonce: Nonce([9; 32]),
        time: UnixTime(10),
    };
    let bytes = statement.bytes();
    assert_eq!(bytes.len(), 218);
    assert!(bytes.starts_with(b"truecopy/1 receipt\x01\x01"));
    let counts: Vec<u8> = bytes[82..114].iter().step_by(8).copied().collect();
    assert_eq!(counts, [3, 4, 5, 6]);
    assert_eq!((bytes[114], bytes[146], bytes[178], bytes[210]), (7, 8, 9, 10));
}

#[test]
fn debug_text_gives_no_proof_away() {
    let proof = ShareProof([0xab; 32]);
    assert_eq!(std::format!("{proof:?}").to_string(), "ShareProof(…)");
}
