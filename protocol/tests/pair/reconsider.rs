//! Another choice while a fetch runs, and files that come first.

use std::time::Duration;

use truecopy_protocol::EntryIndex;
use truecopy_protocol::content::selection::Selection;
use truecopy_protocol::input::{Afterwards, Command, Swarming};
use truecopy_protocol::output::{Event, Refusal};
use truecopy_protocol::wire::{BlockRun, Corrupt, Message, Reject, RejectWhy, Swarm};

use crate::content::{self, Content, SPANS};
use crate::raw::{Raw, Said};
use crate::world::{SHARE, World};

const LONG: Duration = Duration::from_secs(600);

fn files(of: &[u32]) -> Selection {
    Selection::Some(of.iter().map(|index| EntryIndex(*index)).collect())
}

fn refusal(world: &World, host: usize) -> Option<Refusal> {
    world.hosts[host].events.iter().rev().find_map(|event| match event {
        Event::Refused { why, .. } => Some(*why),
        _ => None,
    })
}

fn verified(event: &Event) -> Option<u64> {
    match event {
        Event::Progress { progress, .. } => Some(progress.verified),
        _ => None,
    }
}

/// Runs until so much of the share has been landed at a host.
fn until_landed(world: &mut World, host: usize, bytes: u64) {
    assert!(world.run(LONG, |world| world.hosts[host].store.landed >= bytes));
}

#[test]
fn other_files_can_be_chosen_while_it_runs() {
    let content = Content::files(&[40 * SPANS, 30 * SPANS, 300]);
    for seed in 0..8 {
        let mut world = World::new(seed);
        let sender = world.sender(&content);
        let host = world.receiver(&content, &[sender]);
        world.hosts[host].accepts = Some(files(&[0, 1]));
        until_landed(&mut world, host, 10 * SPANS);
        world.hosts[host].accepts = Some(files(&[1, 2]));
        world.command(host, Command::Reconsider { share: SHARE });
        world.finish(host);
        assert!(world.completed(host), "seed {seed}: {:?}", world.failure(host));
        let placed = world.hosts[host].store.placed.map(|outcome| (outcome.placed, outcome.bytes));
        assert_eq!(placed, Some((2, 30 * SPANS + 300)), "seed {seed}");
        let landed = world.hosts[host].store.landed;
        assert!(landed < 60 * SPANS, "seed {seed}: {landed}: the first file is no longer fetched");
    }
}

#[test]
fn what_was_verified_before_another_choice_is_neither_fetched_nor_hashed_again() {
    let content = Content::files(&[40 * SPANS, 5 * SPANS + 1]);
    for seed in 0..8 {
        let mut world = World::new(seed);
        let sender = world.sender(&content);
        let host = world.receiver(&content, &[sender]);
        for part in 1..4 {
            until_landed(&mut world, host, part * 10 * SPANS);
            world.command(host, Command::Reconsider { share: SHARE });
        }
        world.finish(host);
        assert!(world.completed(host), "seed {seed}: {:?}", world.failure(host));
        // A chunk is a span here: none is landed in part.
        assert_eq!(world.hosts[host].store.landed, content.manifest.total_size(), "seed {seed}");
        let told: Vec<u64> = world.hosts[host].events.iter().filter_map(verified).collect();
        assert!(told.is_sorted(), "seed {seed}: what is verified stays so: {told:?}");
        let rechecked = |event: &Event| matches!(event, Event::Progress { progress, .. } if progress.rechecked + progress.to_recheck > 0);
        assert!(!world.has(host, rechecked), "seed {seed}");
    }
}

#[test]
fn a_peer_of_a_swarm_that_chooses_anew_gives_and_takes_as_before() {
    let content = Content::files(&[30 * SPANS, 300, 20 * SPANS]);
    for seed in 0..8 {
        let mut world = World::new(seed);
        let seeder = world.seeder(&content);
        let hosts = [0, 1, 2].map(|_| world.leecher(&content, &[seeder], Swarming::On, Afterwards::Leave));
        world.hosts[hosts[0]].accepts = Some(files(&[0]));
        until_landed(&mut world, hosts[0], 8 * SPANS);
        world.hosts[hosts[0]].accepts = Some(Selection::All);
        world.command(hosts[0], Command::Reconsider { share: SHARE });
        hosts.iter().for_each(|host| world.finish(*host));
        for host in hosts {
            assert!(world.completed(host), "seed {seed}: {:?}", world.failure(host));
            let placed = world.hosts[host].store.placed.map(|outcome| outcome.placed);
            assert_eq!(placed, Some(3), "seed {seed}");
        }
    }
}

#[test]
fn only_a_fetch_that_runs_can_be_reconsidered() {
    let content = Content::files(&[4 * SPANS]);
    let mut world = World::new(1);
    let sender = world.sender(&content);
    let host = world.receiver(&content, &[sender]);
    world.command(sender, Command::Reconsider { share: SHARE });
    world.hosts[host].accepts = None;
    assert!(world.run(LONG, |world| world.has(host, |event| matches!(event, Event::Offer { .. }))));
    world.command(host, Command::Reconsider { share: SHARE });
    world.run(Duration::from_secs(1), |_| false);
    assert_eq!(refusal(&world, sender), Some(Refusal::UnknownShare));
    assert_eq!(refusal(&world, host), Some(Refusal::NotNow));
    world.command(host, Command::accept(SHARE, Selection::All));
    world.finish(host);
    assert!(world.completed(host));
}

#[test]
fn a_choice_can_be_followed_by_no() {
    let content = Content::files(&[20 * SPANS]);
    let mut world = World::new(3);
    let sender = world.sender(&content);
    let host = world.receiver(&content, &[sender]);
    until_landed(&mut world, host, 5 * SPANS);
    world.hosts[host].accepts = None;
    world.command(host, Command::Reconsider { share: SHARE });
    let offers = |world: &World| {
        world.hosts[host].events.iter().filter(|event| matches!(event, Event::Offer { .. })).count()
    };
    assert!(world.run(LONG, |world| offers(world) == 2));
    assert!(
        world.hosts[host].store.claims.len() >= 5,
        "what was verified is claimed before it is offered again"
    );
    world.command(host, Command::End { share: SHARE, reason: truecopy_protocol::wire::Reason::Leaving });
    world.finish(host);
    assert!(!world.completed(host));
}

#[test]
fn files_that_come_first_are_asked_for_before_all_others() {
    let content = Content::files(&[3 * SPANS, 300, 2 * SPANS]);
    let mut raw = Raw::sender_of(&content);
    raw.open();
    raw.offer();
    raw.blocks(0, 0, &content.manifest.encoded().clone());
    raw.command(Command::Accept { share: SHARE, selection: Selection::All, first: files(&[2, 1]) });
    let asked: Vec<u32> = raw.requests().iter().map(|run| run.blob).filter(|blob| *blob > 0).collect();
    assert_eq!(asked, [2, 3, 3, 1, 1, 1]);
}

#[test]
fn a_peer_that_doubts_what_we_never_had_is_told_so_and_ends_nothing() {
    let content = Content::files(&[SPANS, 2 * SPANS]);
    for (blob, chunk) in [(1, 0), (2, 0), (2, 1)] {
        let mut raw = Raw::peer_of(&content);
        raw.open();
        raw.say(&Message::Swarm(Swarm { port: 0 }));
        raw.offer();
        raw.blocks(0, 0, &content.manifest.encoded().clone());
        // The offer is looked at, then accepted.
        for accepts in [false, true] {
            if accepts {
                raw.command(Command::accept(SHARE, Selection::All));
                let run = BlockRun { blob: 1, block: 0, count: 16 };
                assert!(raw.requests().contains(&run));
                raw.said.clear();
                let first = content::bytes(truecopy_protocol::BlobId(1), 0, SPANS);
                raw.blocks(1, 0, &first);
            }
            raw.say(&Message::Corrupt(Corrupt { blob, chunk }));
            let is_given = accepts && blob == 1;
            let run = BlockRun { blob, block: 0, count: 0 };
            let absent = Said::Message(Message::Reject(Reject { run, why: RejectWhy::Absent }));
            assert_eq!(raw.said.contains(&absent), !is_given, "{blob} {chunk}, accepted: {accepts}");
            assert_eq!((raw.failure(), raw.hangup), (None, None), "{blob} {chunk}, accepted: {accepts}");
            raw.said.clear();
        }
    }
}
