//! Attacks 1 and 2: names that lead elsewhere, and names that meet.

use truecopy_protocol::content::judge::NameRules;
use truecopy_protocol::content::manifest::ManifestError;
use truecopy_transport::store::ConflictReason;

use crate::host::{End, Receiver};
use crate::invented::{Invented, Kind, entry, header, noise};
use crate::sender::{Hostile, fetch, offered, refused};
use crate::world::{Found, World, together};

fn file(number: u64) -> Kind {
    Kind::File(noise(number, 1000), 0o644)
}

#[test]
fn attack_1_names_that_lead_elsewhere_are_refused() {
    let _together = together();
    let long = [b'n'; 256];
    let deep = [&b"d/"[..]; 128].concat();
    let far = [&[b'n'; 250][..], b"/"].concat().repeat(17);
    let names: &[&[u8]] = &[
        b"..",
        b"../outside/victim",
        b"top/../../outside/victim",
        b"top/..",
        b"/etc/passwd",
        b"/",
        b"",
        b".",
        b"./top",
        b"top/./file",
        b"top//file",
        b"top/",
        b"top\0file",
        b"\0",
        &long,
        &[&deep[..], b"file"].concat(),
        &[&far[..], b"file"].concat(),
    ];
    for name in names {
        let why = refused(Invented::new(&[(name, file(1))]));
        assert!(matches!(why, ManifestError::Path { .. }), "{name:?}: {why:?}");
        let why = refused(Invented::new(&[(name, Kind::Directory)]));
        assert!(matches!(why, ManifestError::Path { .. }), "{name:?}: {why:?}");
    }
    // The share's own name is one too.
    for name in [&b".."[..], b"a/b", b"", b"\0"] {
        let mut manifest = header(name, 1000, 1);
        entry(&mut manifest, b"top", &file(1));
        let why = refused(Invented::bare(manifest));
        assert!(matches!(why, ManifestError::Name(_)), "{name:?}: {why:?}");
    }
}

#[test]
fn attack_1_names_of_other_systems_stay_one_name_here() {
    let _together = together();
    let names: &[&[u8]] = &[
        b"..\\..\\outside\\victim",
        b"C:\\Windows\\win.ini",
        b"CON",
        b"LPT1.txt",
        b"\\\\server\\share\\file",
        b"a:stream",
        b"dot.",
        b"space ",
        b"~",
        b"\xff\xfe",
    ];
    let mut sorted = names.to_vec();
    sorted.sort_unstable();
    let entries: Vec<(&[u8], Kind)> = sorted.iter().map(|name| (*name, file(name.len() as u64))).collect();
    let world = World::new();
    let content = Invented::new(&entries);
    assert!(matches!(offered(&world, content.clone()), End::Placed(outcome) if outcome.placed == 10));
    let files: Vec<(&[u8], Found)> =
        sorted.iter().map(|name| (*name, Found::File(noise(name.len() as u64, 1000)))).collect();
    world.holds(&files);

    // Where they mean something they are not placed.
    let world = World::new();
    let (id, dest, hostile) = (content.content_id(), world.dest(), Hostile::serving(content));
    let receiver = Receiver { rules: NameRules::WINDOWS, ..Receiver::new(&dest) };
    let End::Conflicts(conflicts) = fetch(&receiver, id, &hostile) else { panic!("placed") };
    // "~" is a name like any other.
    assert_eq!(conflicts.iter().map(|conflict| conflict.count).sum::<u32>(), 9, "{conflicts:?}");
    world.untouched();
}

#[test]
fn attack_2_names_that_meet_on_this_file_system_are_conflicts_before_bytes_move() {
    let _together = together();
    let cases: &[(&[u8], &[u8], NameRules)] = &[
        (b"Top/file", b"top/file", NameRules::MACOS),
        (b"FILE", b"file", NameRules::WINDOWS),
        ("e\u{301}".as_bytes(), "\u{e9}".as_bytes(), NameRules::MACOS),
        ("STRASSE".as_bytes(), "stra\u{df}e".as_bytes(), NameRules::MACOS),
    ];
    for (first, second, rules) in cases {
        let content = Invented::new(&[(first, file(1)), (second, file(2))]);
        let world = World::new();
        let (id, dest, hostile) = (content.content_id(), world.dest(), Hostile::serving(content.clone()));
        let receiver = Receiver { rules: *rules, ..Receiver::new(&dest) };
        let End::Conflicts(conflicts) = fetch(&receiver, id, &hostile) else { panic!("placed") };
        assert!(matches!(conflicts[0].reason, ConflictReason::Impossible), "{conflicts:?}");
        world.untouched();
        // Here they are two names.
        let world = World::new();
        assert!(matches!(offered(&world, content), End::Placed(outcome) if outcome.placed == 2));
    }
}

#[test]
fn attack_2_one_name_for_two_things_is_refused() {
    let _together = together();
    let under = refused(Invented::new(&[(b"a", file(1)), (b"a/b", file(2))]));
    assert!(matches!(under, ManifestError::Under(_)));
    let under = refused(Invented::new(&[(b"a", Kind::Directory), (b"a/b", file(2))]));
    assert!(matches!(under, ManifestError::Under(_)));
    let twice = refused(Invented::new(&[(b"a", file(1)), (b"a", file(2))]));
    assert!(matches!(twice, ManifestError::Duplicate(_)));
    let twice = refused(Invented::new(&[(b"a", file(1)), (b"a", Kind::Directory)]));
    assert!(matches!(twice, ManifestError::Duplicate(_)));
    // Out of order, so that the check of neighbours would not see it.
    let unsorted = refused(Invented::new(&[(b"a", file(1)), (b"b", file(2)), (b"a/c", file(3))]));
    assert!(matches!(unsorted, ManifestError::Unsorted(_) | ManifestError::Under(_)), "{unsorted:?}");
}
