//! What is one name to a file system, and what is none.

use std::collections::BTreeSet;

use proptest::collection::btree_set;
use proptest::prelude::*;
use truecopy_protocol::content::judge::{
    Case, Collision, NameFault, NameRules, Normalisation, collisions, judge,
};
use truecopy_protocol::content::manifest::Manifest;
use truecopy_protocol::content::name::RelPath;

use crate::common::files;

const LETTERS: &str = "aAbéÉe\u{301}가각ᄀ\u{1161}";

/// The form of a name of [`LETTERS`], by a table of them alone.
fn form(name: &str, rules: &NameRules) -> String {
    let cased = |letter: char| match (rules.case, letter) {
        (Case::Insensitive, 'A') => 'a',
        (Case::Insensitive, 'É') => 'é',
        _ => letter,
    };
    let parts = |letter: char| match (rules.normalisation, letter) {
        (Normalisation::Insensitive, 'é') => "e\u{301}".to_owned(),
        (Normalisation::Insensitive, 'É') => "E\u{301}".to_owned(),
        (Normalisation::Insensitive, '가') => "ᄀ\u{1161}".to_owned(),
        (Normalisation::Insensitive, '각') => "ᄀ\u{1161}\u{11a8}".to_owned(),
        _ => letter.to_string(),
    };
    name.chars().map(cased).map(parts).collect()
}

fn text(path: RelPath<'_>) -> &str {
    std::str::from_utf8(path.as_bytes()).unwrap()
}

fn rules() -> impl Strategy<Value = NameRules> {
    let case = prop_oneof![Just(Case::Sensitive), Just(Case::Insensitive)];
    let normalisation = prop_oneof![Just(Normalisation::Sensitive), Just(Normalisation::Insensitive)];
    (case, normalisation).prop_map(|(case, normalisation)| NameRules {
        case,
        normalisation,
        ..NameRules::LINUX
    })
}

fn manifest() -> impl Strategy<Value = Manifest> {
    let letter = || prop::sample::select(LETTERS.chars().collect::<Vec<_>>());
    let name = (letter(), proptest::option::of(letter()))
        .prop_map(|(a, b)| String::from_iter([Some(a), b].into_iter().flatten()));
    let path = proptest::collection::vec(name, 1..4).prop_map(|names| names.join("/"));
    btree_set(path, 0..12).prop_map(|paths| {
        let below = |path: &&String| !paths.iter().any(|other| path.starts_with(&format!("{other}/")));
        let apart: Vec<String> = paths.iter().filter(below).cloned().collect();
        let mut builder = files(apart.into_iter().map(|path| (path, 1)));
        builder.finish(builder.chunk_size()).unwrap()
    })
}

proptest! {
    #[test]
    fn what_is_found_to_meet_does_and_the_rest_never_does(manifest in manifest(), rules in rules()) {
        let found = collisions(&manifest, &rules);
        let out: BTreeSet<u32> = found.iter().map(|collision| collision.second.0).collect();
        prop_assert_eq!(out.len(), found.len());
        prop_assert!(found.is_sorted_by_key(|collision| collision.second));
        for Collision { first, second, depth } in found {
            prop_assert!(first < second);
            let at = |index| manifest.entry(index).unwrap().path.prefixes().nth(depth - 1).unwrap();
            prop_assert_eq!(form(text(at(first)), &rules), form(text(at(second)), &rules));
            prop_assert_ne!(at(first), at(second));
        }
        let mut spelled = std::collections::BTreeMap::new();
        for (_, entry) in manifest.entries().filter(|(index, _)| !out.contains(&index.0)) {
            for prefix in entry.path.prefixes() {
                let first = *spelled.entry(form(text(prefix), &rules)).or_insert(prefix);
                prop_assert_eq!(first, prefix);
            }
        }
    }

    #[test]
    fn a_name_of_plain_letters_is_good_everywhere(name in "[a-z]{4}[a-z0-9 _-]{0,8}[a-z]") {
        for rules in [NameRules::LINUX, NameRules::MACOS, NameRules::WINDOWS] {
            prop_assert_eq!(judge(name.as_bytes(), &rules), Ok(()));
        }
    }

    #[test]
    fn windows_takes_no_name_with_an_own_meaning(
        name in "[a-z]{4}", odd in prop::sample::select(&b"\\:<>\"|?*"[..]), control in 0..0x20_u8, at in 0..5_usize,
    ) {
        let with = |byte| {
            let mut bytes = name.clone().into_bytes();
            bytes.insert(at.min(bytes.len()), byte);
            bytes
        };
        let judged = |name: &[u8]| judge(name, &NameRules::WINDOWS);
        prop_assert_eq!(judged(&with(odd)), Err(NameFault::Forbidden(char::from(odd))));
        prop_assert_eq!(judged(&with(control)), Err(NameFault::Control(control)));
        prop_assert_eq!(judged(&with(0xff)), Err(NameFault::NotUtf8));
        prop_assert_eq!(judged(format!("{name}.").as_bytes()), Err(NameFault::TrailingDot));
        prop_assert_eq!(judged(format!("{name} ").as_bytes()), Err(NameFault::TrailingSpace));
        for byte in [odd, 0xff] {
            prop_assert_eq!(judge(&with(byte), &NameRules::LINUX), Ok(()));
        }
        prop_assert_eq!(judge(&with(0xff), &NameRules::MACOS), Err(NameFault::NotUtf8));
    }

    #[test]
    fn a_device_stays_one_in_any_case_and_with_any_ending(
        device in prop::sample::select(&["con", "prn", "aux", "nul", "conin$", "conout$", "com1", "lpt9", "com²"][..]),
        upper in any::<u8>(), spaces in 0..3_usize, ending in "(\\.[a-z]{1,3}){0,2}",
    ) {
        let cased: String = device.chars().enumerate()
            .map(|(at, letter)| if upper >> at & 1 == 1 { letter.to_ascii_uppercase() } else { letter })
            .collect();
        let spaces = if ending.is_empty() { 0 } else { spaces };
        let name = format!("{cased}{}{ending}", " ".repeat(spaces));
        prop_assert_eq!(judge(name.as_bytes(), &NameRules::WINDOWS), Err(NameFault::Reserved));
        prop_assert_eq!(judge(format!("x{name}").as_bytes(), &NameRules::WINDOWS), Ok(()));
    }
}

#[test]
fn syllables_and_their_letters_are_one_name_where_normalisation_makes_no_difference() {
    let pairs = [
        ("가", "\u{1100}\u{1161}"),
        ("개", "\u{1100}\u{1162}"),
        ("각", "\u{1100}\u{1161}\u{11a8}"),
        ("까", "\u{1101}\u{1161}"),
        ("한", "\u{1112}\u{1161}\u{11ab}"),
        ("힣", "\u{1112}\u{1175}\u{11c2}"),
    ];
    for (syllable, letters) in pairs {
        let mut builder = files([(syllable, 1), (letters, 1)]);
        let manifest = builder.finish(builder.chunk_size()).unwrap();
        assert_eq!(collisions(&manifest, &NameRules::MACOS).len(), 1, "{syllable}");
        assert_eq!(collisions(&manifest, &NameRules::WINDOWS).len(), 0, "{syllable}");
    }
}
