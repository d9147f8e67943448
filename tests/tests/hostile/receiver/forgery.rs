//! Attacks 12 and 16: proofs and receipts that are none, and words said before.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::Instant;

use truecopy_protocol::content::identity::{Nonce, ReceiptStatement, selection_digest};
use truecopy_protocol::content::selection::Selection;
use truecopy_protocol::job::{Outcome, Verdict};
use truecopy_protocol::output::Event;
use truecopy_protocol::wire::{Message, Reason, Receipt};
use truecopy_protocol::{AccessSecret, ContentId, UnixTime};
use truecopy_transport::keys::KeyPair;

use super::Scene;
use crate::host::{Receiver, SECRET};
use crate::wire::{Heard, Wire};
use crate::world::{PATIENCE, World, together};

/// All that the sender says to this proof, hello apart.
fn answer_to(scene: &Scene, content: ContentId, secret: AccessSecret) -> (Vec<String>, std::time::Duration) {
    let mut wire = scene.connect();
    wire.greet().unwrap();
    let begun = Instant::now();
    wire.say(&[wire.prove(content, secret)]).unwrap();
    let mut said = Vec::new();
    loop {
        match wire.hear().unwrap() {
            Heard::End => return (said, begun.elapsed()),
            heard => said.push(format!("{heard:?}")),
        }
    }
}

#[test]
fn attack_11_an_unknown_share_and_a_wrong_proof_look_alike() {
    let _together = together();
    let scene = Scene::new(100_000);
    let known = scene.sender.content_id();
    let mut times = [Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..30 {
        let other_share = answer_to(&scene, ContentId([1; 32]), SECRET);
        let other_secret = answer_to(&scene, known, AccessSecret([1; 32]));
        // The right name of the share, and the proof of somebody who does not know it.
        let mut wire = scene.connect();
        wire.greet().unwrap();
        let Message::Prove(mut prove) = wire.prove(known, SECRET) else { panic!("no proof") };
        prove.proof.0[0] ^= 1;
        let begun = Instant::now();
        wire.say(&[Message::Prove(prove)]).unwrap();
        let ending = wire.until_end();
        assert_eq!(ending.said, Some(Reason::NoSuchShare));
        assert_eq!(other_share.0, other_secret.0);
        assert_eq!(
            other_share.0,
            vec![format!("{:?}", Heard::Message(Message::Goodbye(Reason::NoSuchShare)))]
        );
        times[0].push(other_share.1);
        times[1].push(other_secret.1);
        times[2].push(begun.elapsed());
    }
    let medians = times.map(|mut times| {
        times.sort_unstable();
        times[times.len() / 2]
    });
    let (least, most) = (medians.iter().min().unwrap(), medians.iter().max().unwrap());
    assert!(*most < *least * 10, "{medians:?}");
    assert!(scene.sender.host.events.try_recv().is_err(), "nobody was told of them as of receivers");
    scene.serves();
}

/// A receipt of these parts, signed with this key.
fn receipt(wire: &Wire, content: ContentId, nonce: Nonce, key: &KeyPair) -> Message {
    let (selection, time) = (selection_digest(&Selection::All), UnixTime(1_700_000_000));
    let outcome = Outcome { placed: 21, bytes: 1, ..Outcome::default() };
    let (receiver, sender) = (wire.local, wire.peer);
    let statement =
        ReceiptStatement { content, selection, outcome, receiver, sender, sender_nonce: nonce, time };
    let signature = key.sign(&statement.bytes()).0;
    let mut halves = [[0; 32]; 2];
    halves.as_flattened_mut().copy_from_slice(&signature);
    Message::Receipt(Receipt { selection, outcome, time, signature: halves })
}

#[test]
fn attack_12_forged_receipts_are_called_forged() {
    let _together = together();
    let scene = Scene::new(100_000);
    let id = scene.sender.content_id();
    let mut old_nonce = Nonce([0; 32]);
    for forgery in ["none", "key", "content", "nonce", "signature"] {
        let key = KeyPair::generate().unwrap();
        let mut wire = Wire::connect(&key, scene.sender.host.address()).unwrap();
        wire.open(id, SECRET).unwrap();
        let nonce = wire.peer_nonce;
        let message = match forgery {
            "key" => receipt(&wire, id, nonce, &KeyPair::generate().unwrap()),
            "content" => receipt(&wire, ContentId([1; 32]), nonce, &key),
            "nonce" => receipt(&wire, id, old_nonce, &key),
            "signature" => {
                let Message::Receipt(mut receipt) = receipt(&wire, id, nonce, &key) else { panic!() };
                receipt.outcome.placed += 1;
                Message::Receipt(receipt)
            }
            _ => receipt(&wire, id, nonce, &key),
        };
        assert_ne!(old_nonce, nonce);
        old_nonce = nonce;
        wire.say(std::slice::from_ref(&message)).unwrap();
        let verdict = scene.sender.host.until(|event| match event {
            Event::Receipt { verdict, .. } => Some(verdict),
            _ => None,
        });
        let expected = if forgery == "none" { Verdict::Genuine } else { Verdict::Forged };
        assert_eq!(verdict, expected, "{forgery}");
        // A connection has one receipt.
        wire.say(&[message]).unwrap();
        super::misbehaved(forgery, &wire.until_end());
    }
}

/// All that an honest receiver's machine sent, for one whole fetch.
fn recorded(scene: &Scene) -> Vec<u8> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, to) = (listener.local_addr().unwrap(), scene.sender.host.address());
    let recorder = std::thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let mut server = TcpStream::connect(to).unwrap();
        let (mut back, mut from) = (client.try_clone().unwrap(), server.try_clone().unwrap());
        let down = std::thread::spawn(move || {
            let _ = std::io::copy(&mut from, &mut back);
            let _ = back.shutdown(Shutdown::Write);
        });
        let (mut record, mut buf) = (Vec::new(), [0; 16_384]);
        while let Ok(len @ 1..) = client.read(&mut buf) {
            record.extend_from_slice(&buf[..len]);
            if server.write_all(&buf[..len]).is_err() {
                break;
            }
        }
        let _ = server.shutdown(Shutdown::Write);
        down.join().unwrap();
        record
    });
    let world = World::new();
    let dest = world.dest();
    let receiver = Receiver::new(&dest);
    receiver.seek(scene.sender.content_id(), Some(scene.sender.host.id), address);
    receiver.run(|_| {});
    drop(receiver);
    recorder.join().unwrap()
}

#[test]
fn attack_16_a_recorded_session_cannot_be_played_again() {
    let _together = together();
    let scene = Scene::new(100_000);
    let record = recorded(&scene);
    assert!(record.len() > 500);
    while scene.sender.host.events.try_recv().is_ok() {}
    for _ in 0..3 {
        let mut stream = TcpStream::connect(scene.sender.host.address()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let _ = stream.write_all(&record);
        let mut answer = Vec::new();
        // A reset is as good an end as any.
        if let Err(error) = stream.read_to_end(&mut answer) {
            assert!(!crate::wire::is_patience(&error), "the connection stays open");
        }
        assert!(answer.len() < 4000, "no more than a handshake: {} bytes", answer.len());
    }
    scene.serves();
    let genuine = std::iter::from_fn(|| scene.sender.host.events.try_recv().ok())
        .filter(|event| matches!(event, Event::PeerUp { .. }))
        .count();
    assert_eq!(genuine, 1, "only the honest receiver ever was one");
}
