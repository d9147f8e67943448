use super::*;

fn pair(byte: u8) -> KeyPair {
    KeyPair::from_seed(Zeroizing::new([byte; 32]))
}

/// RFC 8032 §7.1, test 1.
#[test]
fn a_seed_gives_the_key_of_the_standard() {
    let seed = [
        0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c, 0xc4, 0x44,
        0x49, 0xc5, 0x69, 0x7b, 0x32, 0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60,
    ];
    let id = KeyPair::from_seed(Zeroizing::new(seed)).node_id();
    assert_eq!(id.to_hex(), "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
}

#[test]
fn a_signature_holds_for_its_statement_and_its_signer_only() {
    let signature = pair(1).sign(b"all verified");
    assert_eq!(verify(pair(1).node_id(), b"all verified", &signature), Verdict::Genuine);
    assert_eq!(verify(pair(1).node_id(), b"all verifie", &signature), Verdict::Forged);
    assert_eq!(verify(pair(2).node_id(), b"all verified", &signature), Verdict::Forged);
    for bit in 0..512 {
        let mut forged = signature;
        forged.0[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(verify(pair(1).node_id(), b"all verified", &forged), Verdict::Forged, "bit {bit}");
    }
    assert_eq!(verify(NodeId([0xff; 32]), b"all verified", &signature), Verdict::Forged);
}

#[test]
fn generated_keys_differ() {
    assert_ne!(KeyPair::generate().unwrap().node_id(), KeyPair::generate().unwrap().node_id());
}

#[test]
fn nothing_of_a_key_is_printed() {
    assert_eq!(format!("{:?}", pair(7)), "KeyPair(…)");
}

#[test]
fn a_public_key_has_one_encoding() {
    let id = pair(3).node_id();
    let spki = to_spki(id);
    assert_eq!(from_spki(&spki), Some(id));
    for at in 0..12 {
        let mut other = spki;
        other[at] ^= 1;
        assert_eq!(from_spki(&other), None, "byte {at}");
    }
    assert_eq!(from_spki(&spki[..43]), None);
    assert_eq!(from_spki(&[&spki[..], &[0]].concat()), None);
    assert_eq!(from_spki(&[]), None);
}
