use alloc::string::ToString;

use super::*;

#[test]
fn addresses_and_names_survive_their_text() {
    for text in ["192.0.2.1:80", "[2001:db8::1]:4100", "host.example:1", "my-box_2:65535"] {
        let candidate: Candidate = text.parse().unwrap();
        assert_eq!(candidate.to_string(), text);
    }
}

#[test]
fn names_are_kept_in_lower_case() {
    assert_eq!("Host.Example:7".parse::<Candidate>().unwrap().to_string(), "host.example:7");
}

#[test]
fn what_is_no_host_is_refused() {
    for text in
        [":80", "a b:80", "-a:80", "a-:80", "a..b:80", "a.:80", "1.2.3:80", "::1:80", "é:80", "a/b:80"]
    {
        assert_eq!(text.parse::<Candidate>(), Err(BadCandidate::Host), "{text}");
    }
    let long = "a".repeat(64) + ":80";
    assert_eq!(long.parse::<Candidate>(), Err(BadCandidate::Host));
}

#[test]
fn what_is_no_port_is_refused() {
    for text in ["host", "host:", "host:0", "host:65536", "host:+8", "192.0.2.1:0", "[::1]:0"] {
        assert_eq!(text.parse::<Candidate>(), Err(BadCandidate::Port), "{text}");
    }
}

#[test]
fn the_port_is_the_one_that_was_written() {
    for (text, port) in [("192.0.2.1:80", 80), ("[2001:db8::1]:4100", 4100), ("host.example:65535", 65_535)] {
        assert_eq!(text.parse::<Candidate>().unwrap().port(), port);
    }
}
