use super::*;

/// A name of each kind that could do harm, and how a terminal and JSON show it.
const HOSTILE: [(&[u8], &str, &str); 9] = [
    (b"\x1b[2J\x1b]0;owned\x07", "\\x1b[2J\\x1b]0;owned\\x07", "\"\\u001b[2J\\u001b]0;owned\\u0007\""),
    (b"two\nlines\r\t", "two\\nlines\\r\\t", "\"two\\nlines\\u000d\\u0009\""),
    ("\u{9b}31m".as_bytes(), "\\x9b31m", "\"\\u009b31m\""),
    ("a\u{202e}gpj.exe".as_bytes(), "a\\u{202e}gpj.exe", "\"a\\u202egpj.exe\""),
    ("pay\u{200b}pal".as_bytes(), "pay\\u{200b}pal", "\"pay\\u200bpal\""),
    (b"caf\xe9", "caf\\xe9", "\"caf\u{fffd}\""),
    (b"\"quoted\"", "\"quoted\"", "\"\\\"quoted\\\"\""),
    ("tag\u{e0041}".as_bytes(), "tag\\u{e0041}", "\"tag\\udb40\\udc41\""),
    ("naïve 日本 🙂".as_bytes(), "naïve 日本 🙂", "\"naïve 日本 🙂\""),
];

#[test]
fn a_terminal_never_sees_a_hostile_character() {
    for (name, shown, _) in HOSTILE {
        assert_eq!(Shown::name(name).as_str(), shown);
    }
}

#[test]
fn json_strings_are_valid_and_hold_no_hostile_character() {
    for (name, _, json) in HOSTILE {
        let mut text = String::new();
        json_string(&mut text, name);
        assert_eq!(text, json);
        let back: String = serde_json::from_str(&text).unwrap();
        assert_eq!(back, String::from_utf8_lossy(name));
    }
}

#[test]
fn a_log_shows_where_a_name_ends() {
    assert_eq!(Shown::log(b"a \"b\"\n").as_str(), "\"a \\\"b\\\"\\n\"");
}

#[test]
fn a_backslash_in_a_name_cannot_pose_as_an_escape() {
    assert_eq!(Shown::name(b"\\x1b").as_str(), "\\\\x1b");
    assert_ne!(Shown::name(b"\\x1b"), Shown::name(b"\x1b"));
}

#[test]
fn every_single_character_is_shown_without_control() {
    for c in (0..=0x10_ffff).filter_map(char::from_u32) {
        let shown = Shown::name(c.to_string().as_bytes());
        assert!(!shown.as_str().chars().any(is_hostile), "{:x}", c as u32);
    }
}
