//! What strangers, proxies and a shared store send, as bytes.

use std::net::{IpAddr, Ipv4Addr};

use truecopy_protocol::{UnixTime, hex};

use crate::http::fuzzing::{forwarded, parse, register, scrape};
use crate::record::Change;
use crate::tracker::{Announce, Config, Denied, Event, Gate, Proof, Tracker};

const NOW: UnixTime = UnixTime(1_800_000_000);
const SOURCE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

/// Any bytes as each of them: an announce means what it says and is not believed, the rest is taken or refused.
pub fn tracker_request(bytes: &[u8]) {
    announce(bytes);
    forwarded(bytes);
    register(bytes);
    if let Some(discovery) = std::str::from_utf8(bytes).ok().and_then(scrape) {
        assert_eq!(scrape(&format!("discovery={}", hex(&discovery))), Some(discovery));
    }
    if let Ok(changes) = postcard::from_bytes::<Vec<Change>>(bytes) {
        merged(changes);
    }
}

fn announce(bytes: &[u8]) {
    let Ok((announce, second)) = parse(bytes) else { return };
    assert!(announce.event != Event::Completed || announce.left == 0);
    // The same announce, written anew, is the same.
    let again = parse(text(&announce, second.map(|address| address.to_string())).as_bytes());
    let Ok((again, also)) = again else { panic!("what was written here is read here") };
    let statement = |announce: &Announce| match announce.proof {
        Proof::Signed { time, nonce, signature } => {
            (announce.statement("", time, &nonce), signature.0.to_vec())
        }
        Proof::Token(token) => (Vec::new(), token.0.to_vec()),
    };
    assert_eq!((statement(&announce), second), (statement(&again), also));
    // Nobody who has neither key nor secret is believed.
    let gate = Gate::new("http://tracker.example".to_owned(), [7; 32], UnixTime(0));
    let checked = gate.check(NOW, SOURCE, &announce).err();
    let expected = [Denied::Forged, Denied::WrongTime, Denied::BadToken];
    assert!(checked.is_some_and(|denied| expected.contains(&denied)));
}

fn text(announce: &Announce, second: Option<String>) -> String {
    let Announce { discovery, node, port, left, event, proof } = announce;
    let event = match event {
        Event::None => "none",
        Event::Started => "started",
        Event::Stopped => "stopped",
        Event::Completed => "completed",
    };
    let proof = match proof {
        Proof::Signed { time, nonce, signature } => {
            let (nonce, signature) = (hex(&nonce.0), hex(&signature.0));
            format!("\"time\":{},\"nonce\":\"{nonce}\",\"signature\":\"{signature}\"", time.0)
        }
        Proof::Token(token) => format!("\"token\":\"{}\"", hex(&token.0)),
    };
    let second = second.map(|address| format!(",\"second\":\"{address}\"")).unwrap_or_default();
    let (discovery, node) = (hex(&discovery.0), hex(&node.0));
    format!(
        "{{\"discovery\":\"{discovery}\",\"node\":\"{node}\",\"port\":{port},\"left\":{left},\
         \"event\":\"{event}\",{proof}{second}}}"
    )
}

/// Changes from a store that holds anything: all are counted rightly, and what is put back is no news afterwards.
fn merged(changes: Vec<Change>) {
    let mut tracker = Tracker::new(Config { peers_max: 100, ..Config::default() }, 1);
    let mut back = Vec::new();
    for Change { key, edit } in changes {
        tracker.merge(NOW, &key, edit, &mut back);
    }
    tracker.assert_counted();
    assert!(tracker.peers() <= 100);
    let mut again = Vec::new();
    tracker.sweep(NOW, 1000, &mut again);
    tracker.assert_counted();
}
