//! Screens as they are drawn, compared with those beside this file, and what keys make of them.

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::layout::Size;

use super::keys::{Act, press};
use super::model::{Chosen, Message, Model, Seen, Tone, Update};
use super::view;
use crate::api::shapes::{Details, Link, Offer, Peer, Status, Transfer, Transfers, text};
use crate::exit::{Error, Exit};

const KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

fn peer(name: &str) -> Peer {
    Peer { node: KEY.into(), name: name.into(), address: Some("192.0.2.7:7000".into()) }
}

fn transfer(number: u32, way: &str, state: &str, (moved, size): (u64, u64)) -> Transfer {
    Transfer {
        transfer: number,
        way: way.into(),
        title: format!("film {number}.mkv"),
        title_hex: None,
        state: state.into(),
        why: (state == "failed").then(|| "the disk is full".into()),
        moved,
        size,
        down: if state == "running" && way == "in" { 12 << 20 } else { 0 },
        up: if state == "running" && way == "out" { 3 << 20 } else { 0 },
        with: (number % 2 == 1).then(|| peer("bob")),
        ticket: None,
    }
}

fn link(address: &str, down: u64, state: &str) -> Link {
    Link {
        node: KEY.into(),
        path: "tcp".into(),
        address: address.into(),
        way: "out".into(),
        received: down * 9,
        sent: 0,
        down,
        up: 0,
        has: 3,
        of: 4,
        state: state.into(),
    }
}

fn seen() -> Seen {
    let transfers = vec![
        transfer(1, "in", "running", (5 << 30, 8 << 30)),
        transfer(2, "out", "running", (9 << 30, 1 << 30)),
        transfer(3, "out", "offered", (0, 1 << 20)),
        transfer(4, "in", "done", (1 << 20, 1 << 20)),
        transfer(5, "in", "failed", ((1 << 30) - 1, 1 << 30)),
        transfer(6, "in", "paused", (0, 0)),
    ];
    let offer =
        Offer { offer: 7, from: peer("e\u{1b}[31mve"), title: "b\u{202e}ad".into(), size: 5000, files: 3 };
    let status = Status {
        version: "0".into(),
        node: KEY.into(),
        room: "private".into(),
        addresses: vec!["192.0.2.1:7000".into()],
        uptime: 7500,
        peers: 2,
        active: 3,
        transfers: 6,
        offers: 1,
        down: 12 << 20,
        up: 3 << 20,
    };
    let details = Details {
        transfer: transfers[0].clone(),
        peers: vec![link("192.0.2.9:7000", 0, "chokes us"), link("[2001:db8::1]:7000", 12 << 20, "gives")],
        map: (0..156).map(|cell| [if cell < 90 { 4 } else { cell % 5 }, 4]).collect(),
    };
    let peers = vec![peer("bob"), peer("e\u{1b}[31mve")];
    Seen { status, transfers: Transfers { transfers, offers: vec![offer] }, peers, details: Some(details) }
}

fn model() -> Model {
    let mut model = Model::default();
    model.take(Update::Seen(Box::new(seen())));
    for (tone, text) in
        [(Tone::Plain, "+ bob is here"), (Tone::Said, "12:00 <bob> héllo 世界"), (Tone::Bad, "! no")]
    {
        model.take(Update::Told(Message { tone, text: text.into() }));
    }
    model
}

fn drawn(model: &Model, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| view::draw(frame, model)).unwrap();
    let buffer = terminal.backend().buffer();
    let line = |y: u16| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>().trim_end().to_owned();
    (0..height).map(line).collect::<Vec<_>>().join("\n") + "\n"
}

#[track_caller]
fn same(name: &str, screen: &str, expected: &str) {
    assert!(screen == expected, "{name} is drawn so now:\n{screen}");
}

fn type_in(model: &mut Model, text: &str) {
    for c in text.chars() {
        press(model, KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE));
    }
}

fn hit(model: &mut Model, code: KeyCode) -> String {
    match press(model, KeyEvent::new(code, KeyModifiers::NONE)) {
        Act::Nothing => String::new(),
        Act::Order(order) => text(&order),
        Act::Leave => "leave".into(),
    }
}

#[test]
fn a_screen_shows_transfers_peers_chunks_and_messages() {
    let mut model = model();
    model.step(isize::MAX);
    assert_eq!(model.chosen(), Some(Chosen::Transfer(1)));
    same("full", &drawn(&model, 120, 32), include_str!("snapshots/full.txt"));
}

#[test]
fn a_small_screen_shows_what_matters_most() {
    same("narrow", &drawn(&model(), 80, 18), include_str!("snapshots/narrow.txt"));
    same("tiny", &drawn(&model(), 40, 8), include_str!("snapshots/tiny.txt"));
    // Of any size: it does not fall over.
    for (width, height) in [(1, 1), (2, 40), (300, 2), (20, 20)] {
        drawn(&model(), width, height);
        assert!(view::cells(Size { width, height }) > 0);
    }
}

#[test]
fn an_idle_daemon_and_one_that_is_gone_are_told_apart() {
    let mut model = Model::default();
    let transfers = Transfers { transfers: Vec::new(), offers: Vec::new() };
    model.take(Update::Seen(Box::new(Seen { transfers, peers: Vec::new(), details: None, ..seen() })));
    same("idle", &drawn(&model, 80, 20), include_str!("snapshots/idle.txt"));
    model.take(Update::Away(Error::new(Exit::NoDaemon, "the daemon does not answer: connection refused")));
    assert!(drawn(&model, 80, 20).starts_with("truecopy the daemon does not answer: connection refused\n"));
    model.take(Update::Seen(Box::new(seen())));
    assert!(drawn(&model, 80, 20).starts_with("truecopy 0011223344556677 at 192.0.2.1:7000"));
}

#[test]
fn keys_order_what_is_chosen_to_be_done() {
    let mut model = model();
    assert_eq!(model.chosen(), Some(Chosen::Offer(7)), "what waits for somebody stands first");
    assert_eq!(hit(&mut model, KeyCode::Char('p')), "", "an offer cannot be paused");
    assert!(drawn(&model, 80, 20).contains("that is an offer"));
    assert_eq!(hit(&mut model, KeyCode::Char('d')), r#"{"order":"decline","offer":7}"#);
    assert_eq!(
        hit(&mut model, KeyCode::Char('a')),
        r#"{"order":"accept","offer":7,"folder":null,"only":[]}"#
    );
    hit(&mut model, KeyCode::Down);
    for (key, order) in [('p', "pause"), ('r', "resume"), ('c', "cancel"), ('t', "retry"), ('x', "rm")] {
        let expected = format!(r#"{{"order":"{order}","transfer":6}}"#);
        assert_eq!(hit(&mut model, KeyCode::Char(key)), expected);
    }
    assert_eq!(hit(&mut model, KeyCode::Char('a')), "");
    hit(&mut model, KeyCode::End);
    assert_eq!(model.chosen(), Some(Chosen::Transfer(1)));
    hit(&mut model, KeyCode::Home);
    hit(&mut model, KeyCode::Up);
    assert_eq!(model.chosen(), Some(Chosen::Offer(7)));
    assert_eq!(hit(&mut model, KeyCode::Char('q')), "leave");
}

#[test]
fn an_order_can_be_typed_as_in_the_console_and_mended() {
    let mut model = model();
    type_in(&mut model, ":snd bob héllo");
    assert_eq!(hit(&mut model, KeyCode::Enter), "");
    assert!(drawn(&model, 80, 20).contains(": snd bob héllo  snd is no command"));
    press(&mut model, KeyEvent::new(KeyCode::Char('u'), KeyModifiers::CONTROL));
    type_in(&mut model, "send bob héllq");
    hit(&mut model, KeyCode::Backspace);
    type_in(&mut model, "o");
    assert_eq!(hit(&mut model, KeyCode::Enter), r#"{"order":"send","to":"bob","text":"héllo"}"#);
    assert!(drawn(&model, 80, 24).contains("→ bob: héllo"));
    type_in(&mut model, ":q");
    assert_eq!(hit(&mut model, KeyCode::Esc), "", "nothing was ordered, and the keys are keys again");
    assert_eq!(hit(&mut model, KeyCode::Char('q')), "leave");
}

#[test]
fn what_is_chosen_stays_chosen_while_others_come_and_go() {
    let mut model = model();
    // Offer 7 is accepted: it is a transfer now.
    let mut later = seen();
    later.transfers.offers.clear();
    later.transfers.transfers.push(transfer(7, "in", "running", (0, 9)));
    model.take(Update::Seen(Box::new(later.clone())));
    assert_eq!(model.chosen(), Some(Chosen::Transfer(7)));
    later.transfers.transfers.push(transfer(8, "in", "running", (0, 9)));
    model.take(Update::Seen(Box::new(later.clone())));
    assert_eq!(model.chosen(), Some(Chosen::Transfer(7)));
    assert!(model.details().is_none(), "those of another are not shown for it");
    later.transfers.transfers.retain(|it| it.transfer != 7);
    model.take(Update::Seen(Box::new(later)));
    assert_eq!(model.chosen(), Some(Chosen::Transfer(8)));
}

#[test]
fn a_word_that_never_ends_is_neither_held_nor_drawn_for_ever() {
    let mut model = model();
    for number in 0..2000 {
        model.take(Update::Told(Message { tone: Tone::Said, text: number.to_string() }));
    }
    assert_eq!(model.newest(usize::MAX).count(), 500);
    assert_eq!(model.newest(1).next().unwrap().text, "1999");
}
