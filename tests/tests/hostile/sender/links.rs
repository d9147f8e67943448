//! Attacks 3, 4 and 5: links, overwriting, modes.

use std::fs;
use std::os::unix::fs::symlink;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender as Tell, channel};

use truecopy_protocol::content::manifest::ManifestError;
use truecopy_protocol::job::StorageError;
use truecopy_protocol::output::{Event, Failure};
use truecopy_protocol::wire::Message;
use truecopy_transport::store::OnConflict;

use crate::host::{End, Receiver};
use crate::invented::{Invented, Kind, entry, header, noise};
use crate::sender::{Done, Hostile, fetch, greeting, offered, refused};
use crate::world::{Found, World, together};

fn file(len: usize) -> Kind {
    Kind::File(noise(1, len), 0o644)
}

fn link(target: &[u8]) -> Kind {
    Kind::Link(target.to_vec())
}

#[test]
fn attack_3_links_that_lead_out_are_refused() {
    let _together = together();
    let targets: &[&[u8]] = &[
        b"/etc",
        b"..",
        b"../..",
        b"../../outside",
        b"sub/../../../outside",
        b"",
        b".",
        b"a\0b",
        b"a//b",
        &[b'n'; 4097],
    ];
    for target in targets {
        let why = refused(Invented::new(&[(b"top/link", link(target))]));
        assert!(matches!(why, ManifestError::Target { .. }), "{target:?}: {why:?}");
    }
    let why = refused(Invented::new(&[(b"link", link(b"../outside"))]));
    assert!(matches!(why, ManifestError::Target { .. }));
}

#[test]
fn attack_3_nothing_is_written_through_a_link_of_the_offer() {
    let _together = together();
    let through = Invented::new(&[(b"top/link", link(b"sub")), (b"top/link/file", file(10))]);
    assert!(matches!(refused(through), ManifestError::Under(_)));
    // Two shares, one after the other: the link is placed, then "merged" through.
    let world = World::new();
    let first = Invented::new(&[(b"top/sub/a", file(10)), (b"top/way", link(b"sub"))]);
    assert!(matches!(offered(&world, first), End::Placed(_)));
    let second = Invented::new(&[(b"top/way/planted", file(10))]);
    assert!(matches!(offered(&world, second), End::Conflicts(_)));
    world.holds(&[
        (b"top", Found::Folder),
        (b"top/sub", Found::Folder),
        (b"top/sub/a", Found::File(noise(1, 10))),
        (b"top/way", Found::Link("sub".into())),
    ]);
}

#[test]
fn attack_3_a_link_in_the_destination_is_not_followed() {
    let _together = together();
    for policy in [OnConflict::Fail, OnConflict::Skip, OnConflict::Rename, OnConflict::Replace] {
        let mut world = World::new();
        symlink(world.outside(), world.dest().join("top")).unwrap();
        fs::create_dir(world.dest().join("real")).unwrap();
        symlink(world.outside(), world.dest().join("real/folder")).unwrap();
        symlink(world.outside().join("victim"), world.dest().join("real/victim")).unwrap();
        world.settle();
        let content = Invented::new(&[
            (b"real/folder/planted", file(10)),
            (b"real/victim", file(10)),
            (b"top/victim", file(10)),
        ]);
        let (id, dest, hostile) = (content.content_id(), world.dest(), Hostile::serving(content));
        let end = fetch(&Receiver { policy, ..Receiver::new(&dest) }, id, &hostile);
        assert_eq!(fs::read(world.outside().join("victim")).unwrap(), b"kept", "{policy:?}: {end:?}");
        let outside: Vec<_> = fs::read_dir(world.outside()).unwrap().collect();
        assert_eq!(outside.len(), 2, "{policy:?}: {end:?}: {outside:?}");
        if policy != OnConflict::Replace && policy != OnConflict::Rename {
            world.untouched();
        }
    }
}

#[test]
fn attack_3_a_hard_link_in_the_destination_is_replaced_and_not_written() {
    let _together = together();
    let world = World::new();
    fs::hard_link(world.outside().join("victim"), world.dest().join("file")).unwrap();
    let content = Invented::file("file", 1000);
    let (id, dest, hostile) = (content.content_id(), world.dest(), Hostile::serving(content));
    let receiver = Receiver { policy: OnConflict::Replace, ..Receiver::new(&dest) };
    assert!(matches!(fetch(&receiver, id, &hostile), End::Placed(_)));
    world.holds(&[(b"file", Found::File(noise(1, 1000)))]);
}

/// Somebody with the same disk swaps folders for links all the time, in the staging and in the destination.
#[test]
fn attack_3_links_that_are_swapped_in_during_the_transfer_are_not_followed() {
    let _together = together();
    for round in 0..6 {
        let world = World::new();
        let names: Vec<String> = (0..60).map(|number| format!("top/sub/{number:02}")).collect();
        let entries: Vec<_> = names.iter().map(|name| (name.as_bytes(), file(3000))).collect();
        let content = Invented::new(&entries);
        let (id, dest, outside) = (content.content_id(), world.dest(), world.outside());
        let over = Arc::new(AtomicBool::new(false));
        let swapper = {
            let (over, dest, outside) = (Arc::clone(&over), dest.clone(), outside.clone());
            std::thread::spawn(move || {
                let staging = dest.join(format!(".truecopy-{}", &id.to_hex()[..16]));
                let places = [staging.join("tree/top/sub"), staging.join("tree/top"), dest.join("top")];
                let place = &places[round % 3];
                let aside = dest.join("aside");
                while !over.load(Ordering::SeqCst) {
                    if fs::rename(place, &aside).is_ok() {
                        let _ = symlink(&outside, place);
                        std::thread::yield_now();
                        let _ = fs::remove_file(place);
                        let _ = fs::rename(&aside, place);
                    } else if symlink(&outside, place).is_ok() {
                        std::thread::yield_now();
                        let _ = fs::remove_file(place);
                    }
                }
            })
        };
        let hostile = Hostile::serving(content);
        let end = fetch(&Receiver::new(&dest), id, &hostile);
        over.store(true, Ordering::SeqCst);
        swapper.join().unwrap();
        let left: Vec<_> = fs::read_dir(&outside).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left.len(), 2, "round {round}: {end:?}: {left:?}");
        assert_eq!(fs::read_dir(outside.join("folder")).unwrap().count(), 0);
        assert_eq!(fs::read(outside.join("victim")).unwrap(), b"kept");
    }
}

/// Serves honestly, but no byte of a file before the test says so.
fn held_back(content: Invented) -> (Hostile, Tell<()>) {
    let (go, wait) = channel();
    let greeting = greeting(&content);
    let mut held = true;
    let hostile = Hostile::scripted(content, greeting, move |_, message, _| {
        if matches!(message, Message::Request(run) if run.blob > 0) && std::mem::take(&mut held) {
            let _ = wait.recv();
        }
        Ok(Done::Honest)
    });
    (hostile, go)
}

#[test]
fn attack_4_what_stands_there_is_not_overwritten() {
    let _together = together();
    let names: [&[u8]; 3] = [b".bashrc", b".config/autostart/x.desktop", b".ssh/authorized_keys"];
    let content = Invented::new(&names.map(|name| (name, file(500))));
    for policy in [OnConflict::Fail, OnConflict::Skip, OnConflict::Rename] {
        let mut world = World::new();
        fs::create_dir_all(world.dest().join(".config/autostart")).unwrap();
        fs::create_dir(world.dest().join(".ssh")).unwrap();
        for name in names {
            fs::write(world.dest().join(std::str::from_utf8(name).unwrap()), "mine").unwrap();
        }
        world.settle();
        let (id, dest, hostile) = (content.content_id(), world.dest(), Hostile::serving(content.clone()));
        let end = fetch(&Receiver { policy, ..Receiver::new(&dest) }, id, &hostile);
        for name in names {
            let path = world.dest().join(std::str::from_utf8(name).unwrap());
            assert_eq!(fs::read(path).unwrap(), b"mine", "{policy:?}: {end:?}");
        }
        if policy != OnConflict::Rename {
            world.untouched();
        }
    }
}

#[test]
fn attack_4_a_name_that_is_taken_after_the_look_is_not_overwritten() {
    let _together = together();
    for name in [".bashrc", ".ssh/authorized_keys"] {
        let mut world = World::new();
        fs::create_dir(world.dest().join(".ssh")).unwrap();
        world.settle();
        let content = Invented::file(name, 500);
        let (id, dest) = (content.content_id(), world.dest());
        let (hostile, go) = held_back(content);
        let receiver = Receiver::new(&dest);
        receiver.seek(id, Some(hostile.id), hostile.address);
        let end = receiver.run(|event| {
            if matches!(event, Event::Fetching { .. }) {
                fs::write(dest.join(name), "mine").unwrap();
                let _ = go.send(());
            }
        });
        assert!(matches!(end, End::Failed(Failure::Storage(StorageError::Conflict))), "{end:?}");
        fs::remove_file(dest.join(name)).unwrap_or_else(|_| panic!("{name} is gone"));
        world.untouched();
    }
}

#[test]
fn attack_5_special_bits_and_kinds_are_refused_and_the_umask_holds() {
    let _together = together();
    for mode in [0o4755, 0o2755, 0o1777, 0o7777, 0xffff] {
        let why = refused(Invented::new(&[(b"file", Kind::File(noise(1, 10), mode))]));
        assert!(matches!(why, ManifestError::Mode(_)), "{mode:o}: {why:?}");
    }
    // Kinds that there are not: devices, pipes, hard links.
    for kind in [3, 4, 127, 255] {
        let mut manifest = header(b"share", 0, 1);
        manifest.extend_from_slice(&[4, b'n', b'o', b'd', b'e', kind, 1, 1, 1, 1]);
        assert!(matches!(refused(Invented::bare(manifest)), ManifestError::Malformed(_)));
    }
    // Bytes after an entry, where attributes might be hidden.
    let mut manifest = header(b"share", 0, 1);
    entry(&mut manifest, b"folder", &Kind::Directory);
    manifest.extend_from_slice(b"user.capability");
    assert!(matches!(refused(Invented::bare(manifest)), ManifestError::Trailing));

    let world = World::new();
    fs::write(world.dest().join("probe"), "").unwrap();
    fs::set_permissions(world.dest().join("probe"), std::os::unix::fs::PermissionsExt::from_mode(0o777))
        .unwrap();
    let content = Invented::new(&[
        (b"all", Kind::File(noise(1, 10), 0o777)),
        (b"none", Kind::File(noise(1, 10), 0)),
        (b"plain", Kind::File(noise(1, 10), 0o666)),
    ]);
    assert!(matches!(offered(&world, content), End::Placed(_)));
    assert_eq!(world.mode("all") & !0o777, 0);
    assert_eq!(world.mode("plain") & !0o666, 0, "nothing becomes executable by itself");
    // What the umask takes away from others stays away.
    fs::File::create(world.dest().join("ours")).unwrap();
    let umask = 0o666 & !world.mode("ours");
    assert_eq!((world.mode("all") & umask, world.mode("plain") & umask), (0, 0));
}
