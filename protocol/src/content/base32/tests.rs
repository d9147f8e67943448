use proptest::prelude::*;

use super::*;

#[test]
fn the_vectors_of_rfc_4648_hold() {
    let vectors = [
        ("", ""),
        ("f", "my"),
        ("fo", "mzxq"),
        ("foo", "mzxw6"),
        ("foob", "mzxw6yq"),
        ("fooba", "mzxw6ytb"),
        ("foobar", "mzxw6ytboi"),
    ];
    for (bytes, expected) in vectors {
        let mut text = String::new();
        encode(bytes.as_bytes(), &mut text);
        assert_eq!(text, expected);
        assert_eq!(decode(expected).unwrap(), bytes.as_bytes());
        assert_eq!(decode(&expected.to_uppercase()).unwrap(), bytes.as_bytes());
    }
}

#[test]
fn left_over_bits_digits_and_padding_are_refused() {
    for text in ["mz", "a", "aaa", "my======", "m1", "m8", "m y", "mé"] {
        assert_eq!(decode(text), None, "{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn bytes_survive_and_any_other_text_of_them_is_refused(
        bytes in proptest::collection::vec(any::<u8>(), 0..60), at in any::<prop::sample::Index>(), digit in "[a-z2-7]",
    ) {
        let mut text = String::new();
        encode(&bytes, &mut text);
        prop_assert_eq!(text.len(), (bytes.len() * 8).div_ceil(5));
        prop_assert_eq!(decode(&text), Some(bytes.clone()));
        prop_assert_eq!(decode(&text.to_uppercase()), Some(bytes.clone()));
        let at = at.index(text.len().max(1));
        if at < text.len() {
            let mut other = text.clone();
            other.replace_range(at..=at, &digit);
            prop_assert_eq!(decode(&other) == Some(bytes.clone()), other == text);
        }
        if let Some(longer) = decode(&alloc::format!("{text}{digit}")) {
            prop_assert_ne!(longer, bytes);
        }
    }

    #[test]
    fn any_text_that_is_read_is_the_one_text_of_its_bytes(text in "[a-z2-7]{0,20}") {
        if let Some(bytes) = decode(&text) {
            let mut again = String::new();
            encode(&bytes, &mut again);
            prop_assert_eq!(again, text);
        }
    }
}
