use alloc::string::ToString;
use alloc::vec::Vec;

use super::content::CONTENTS_MAX;
use super::model::Stage;
use super::rig::{Rig, Sources};
use super::steps::{open, serve_well};
use super::store::Luck;
use super::talk::{Talk, text};
use crate::config::Config;
use crate::content::selection::Selection;
use crate::input::{Afterwards, LinkLoss, Say, Swarming};
use crate::job::Outcome;
use crate::output::{Event, Heard as Told};
use crate::wire::{Heard, Line, Message, Receipt, Swarm, Word};
use crate::{ConnId, Hash, NodeId, ShareId, UnixTime};

const SHARE: ShareId = ShareId(0);

/// Fetches a share from one source that serves as well as it may.
fn fetched(number: usize, sources: Sources) -> Rig {
    let mut rig = Rig::new(Config::default(), sources);
    rig.fetch(SHARE, number, 1);
    (0..100).for_each(|_| round(&mut rig));
    rig
}

/// All that is due is done, by everybody.
fn round(rig: &mut Rig) {
    if let Some((conn, _)) = rig.dials.first_key_value() {
        let conn = *conn;
        rig.dialled(conn);
    }
    if let Some(conn) = rig.links.last().map(|link| link.conn) {
        serve_well(rig, conn);
    }
    rig.accept_offers(&Selection::All);
    while !rig.jobs.is_empty() {
        rig.work(0, Luck::Good);
    }
}

/// What the targets look at is worth something only if a node comes so far among them.
#[test]
fn a_share_that_is_served_well_is_placed() {
    for number in 0..CONTENTS_MAX {
        let mut rig = fetched(number, Sources::Any);
        assert_eq!(rig.model.stage(SHARE), Some(Stage::Placed), "content {number}");
        rig.drain();
        assert_eq!(rig.model.stage(SHARE), Some(Stage::Ended));
    }
}

#[test]
fn a_share_of_a_swarm_is_placed_and_served_from_there() {
    for swarm in [Swarming::AsTold, Swarming::On] {
        let mut rig = Rig::new(Config::default(), Sources::Any);
        rig.fetch_in_swarm(SHARE, 1, 1, (swarm, Afterwards::Seed));
        (0..100).for_each(|_| round(&mut rig));
        assert_eq!(rig.model.stage(SHARE), Some(Stage::Placed), "{swarm:?}");
        rig.seed(SHARE, 1);
        assert_eq!(rig.model.stage(SHARE), Some(Stage::Served), "{swarm:?}");
        rig.drain();
    }
}

#[test]
fn what_is_reconsidered_is_offered_again_and_placed() {
    let mut rig = Rig::new(Config::default(), Sources::Any);
    rig.fetch(SHARE, 1, 1);
    while rig.model.stage(SHARE) != Some(Stage::Accepted) {
        round(&mut rig);
    }
    rig.reconsider(SHARE);
    while !rig.jobs.is_empty() {
        rig.work(0, Luck::Good);
    }
    assert_eq!(rig.model.stage(SHARE), Some(Stage::Offered));
    (0..100).for_each(|_| round(&mut rig));
    assert_eq!(rig.model.stage(SHARE), Some(Stage::Placed));
    rig.drain();
}

/// Whoever has everything and does not serve it yet may be given one.
#[test]
fn a_peer_that_sent_a_receipt_to_one_that_fetches_is_told_to_be_gone_when_it_is() {
    let mut rig = Rig::new(Config::default(), Sources::Any);
    rig.fetch_in_swarm(SHARE, 1, 1, (Swarming::On, Afterwards::Leave));
    let dials: Vec<_> = rig.dials.keys().copied().collect();
    dials.iter().for_each(|conn| rig.dialled(*conn));
    let conn = dials[0];
    serve_well(&mut rig, conn);
    let receipt = Receipt {
        selection: Hash::ZERO,
        outcome: Outcome::default(),
        time: UnixTime(1),
        signature: [[7; 32]; 2],
    };
    rig.say_messages(conn, &[Message::Swarm(Swarm { port: 1 }), Message::Receipt(receipt)]);
    assert_eq!(rig.model.share_of(conn), Some(SHARE));
    rig.lose(conn, LinkLoss::Closed);
    assert_eq!(rig.model.share_of(conn), None);
    rig.drain();
}

#[test]
fn a_share_whose_last_bytes_are_wrong_is_not() {
    for number in 0..CONTENTS_MAX {
        let mut rig = fetched(number, Sources::Withhold);
        assert!(matches!(rig.model.stage(SHARE), Some(Stage::Accepted | Stage::Failed)), "content {number}");
        rig.drain();
    }
}

#[test]
#[should_panic(expected = "a claim is of bytes that are there")]
fn a_claim_of_bytes_that_are_not_there_is_noticed() {
    let mut rig = Rig::new(Config::default(), Sources::Any);
    rig.fetch(SHARE, 1, 1);
    // The earlier run's claim is trusted, but its bytes have rotten.
    rig.store.leave(SHARE, 0, true);
    rig.store.trust(SHARE);
    (0..100).for_each(|_| round(&mut rig));
}

/// Somebody is in the room, and says what the protocol lets it say.
fn met(rig: &mut Rig, peer: NodeId) -> ConnId {
    rig.come(peer);
    let conn = rig.links.last().unwrap().conn;
    open(rig, conn, SHARE);
    assert_eq!(rig.model.share_of(conn), Some(SHARE));
    conn
}

#[test]
fn what_is_said_in_a_room_is_heard_and_told() {
    let mut rig = Rig::new(Config::default(), Sources::Any);
    rig.room(SHARE, Some(7));
    let peer = NodeId([8; 32]);
    let conn = met(&mut rig, peer);
    let line = |number, word| Message::Line(Line { life: 2, number, word });
    let text = Word::Text(text(&[2, 1]));
    rig.say_messages(conn, &[line(1, text.clone()), line(1, text)]);
    rig.say_to(SHARE, peer, |tag| Say::Text(tag.to_string()));
    assert_eq!((rig.talk(SHARE).heard(), rig.talk(SHARE).open()), (1, 1));
    rig.take(conn, usize::MAX);
    let (life, number) = rig.links[0].line.unwrap();
    rig.say_messages(conn, &[Message::Heard(Heard { life, number })]);
    assert_eq!(rig.talk(SHARE).open(), 0);
    rig.drain();
}

#[test]
#[should_panic(expected = "nothing is delivered that nobody acknowledged")]
fn a_word_that_is_told_as_delivered_too_early_is_noticed() {
    let mut talk = Talk::default();
    let to = NodeId([8; 32]);
    let tag = talk.say(to);
    talk.event(&Event::Delivered { room: SHARE, to, tag });
}

#[test]
#[should_panic(expected = "a number of a run is heard once, in order")]
fn a_word_that_is_heard_twice_is_noticed() {
    let (mut talk, from) = (Talk::default(), NodeId([8; 32]));
    let said = text(&[2, 1]);
    let line = Line { life: 2, number: 1, word: Word::Text(said.clone()) };
    talk.peer_says(from, &Message::Line(line));
    for _ in 0..2 {
        talk.event(&Event::Heard { room: SHARE, from, heard: Told::Text(said.clone()) });
    }
}
