use alloc::vec::Vec;

use super::*;

fn read(text: &str) -> Result<String, BadTrackerUrl> {
    TrackerUrl::new(text).map(String::from)
}

#[test]
fn a_tracker_has_one_text_however_it_is_typed() {
    for (typed, text) in [
        ("https://tracker.example", "https://tracker.example"),
        ("HTTPS://Tracker.Example:443/", "https://tracker.example"),
        ("http://tracker.example:80", "http://tracker.example"),
        ("http://tracker.example:443", "http://tracker.example:443"),
        ("http://192.0.2.1:08080", "http://192.0.2.1:8080"),
        ("https://[2001:DB8:0::1]", "https://[2001:db8::1]"),
        ("http://[::1]:7070/", "http://[::1]:7070"),
        ("http://localhost:1", "http://localhost:1"),
    ] {
        assert_eq!(read(typed).as_deref(), Ok(text), "{typed}");
        assert_eq!(read(text).as_deref(), Ok(text));
    }
}

#[test]
fn host_and_port_are_those_of_the_text() {
    for (text, host, port) in [
        ("https://tracker.example", "tracker.example", 443),
        ("http://tracker.example", "tracker.example", 80),
        ("http://192.0.2.1:7070", "192.0.2.1", 7070),
        ("https://[2001:db8::1]", "[2001:db8::1]", 443),
        ("http://[::1]:7070", "[::1]", 7070),
    ] {
        assert_eq!(TrackerUrl::new(text).unwrap().host_and_port(), (host, port), "{text}");
    }
}

#[test]
fn whatever_is_no_origin_is_refused() {
    use BadTrackerUrl::{Host, Port, Scheme};
    for (typed, why) in [
        ("", Scheme),
        ("tracker.example", Scheme),
        ("udp://tracker.example:1", Scheme),
        ("file:///etc/passwd", Scheme),
        ("http://", Host),
        ("http:///", Host),
        ("https://tracker.example/announce", Host),
        ("https://tracker.example//", Host),
        ("https://user@tracker.example", Host),
        ("https://tracker.example?x", Host),
        ("https://trackér.example", Host),
        ("https://1.2.3", Host),
        ("https://[::1", Host),
        ("https://[fe80::1%eth0]", Host),
        ("https://[::1]7", Host),
        ("https://::1", Host),
        ("https://a:0", Port),
        ("https://a:", Port),
        ("https://a:65536", Port),
        ("https://a:+1", Port),
        ("https://[::1]:", Port),
    ] {
        assert_eq!(read(typed), Err(why), "{typed}");
    }
}

#[test]
fn a_list_takes_each_tracker_once_and_eight_of_them() {
    let url = |number: usize| TrackerUrl::new(&alloc::format!("http://t{number}.example")).unwrap();
    let list: Trackers = (0..20).map(|number| url(number / 2)).collect();
    assert_eq!(list.len(), Trackers::MAX);
    assert_eq!(list[7], url(7));
    let strict = |count: usize| Trackers::try_from((0..count).map(url).collect::<Vec<_>>());
    assert_eq!(strict(8), Ok(list));
    assert_eq!(strict(9), Err(BadTrackers));
    assert_eq!(Trackers::try_from(alloc::vec![url(1), url(1)]), Err(BadTrackers));
}
