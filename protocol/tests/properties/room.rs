//! Codes of rooms: one text, read however it is typed, and never a mistyped one.

use proptest::prelude::*;
use truecopy_protocol::AccessSecret;
use truecopy_protocol::content::link::{BadLink, Link};
use truecopy_protocol::content::room::{BadRoomCode, ROOM_CODE_MAX, RoomCode};

/// How many characters come before what can be mistyped.
const SCHEME: usize = "truecopy-room:".len();

proptest! {
    #[test]
    fn a_code_survives_its_text_however_it_is_typed(code in code()) {
        let text = code.text();
        prop_assert!(text.len() <= ROOM_CODE_MAX);
        prop_assert_eq!(RoomCode::parse(&text), Ok(code));
        prop_assert_eq!(RoomCode::parse(&format!(" \n{}\t", text.to_uppercase())), Ok(code));
        prop_assert_eq!(Link::parse(&text), Err(BadLink::NotALink));
    }

    #[test]
    fn a_mistyped_or_cut_code_is_damaged(
        code in code(), at in any::<prop::sample::Index>(), typed in "[a-z2-7]",
    ) {
        let text = code.text();
        let at = SCHEME + at.index(text.len() - SCHEME);
        let mut wrong = text.clone();
        wrong.replace_range(at..=at, &typed);
        prop_assert!(wrong == text || RoomCode::parse(&wrong) == Err(BadRoomCode::Damaged));
        prop_assert_eq!(RoomCode::parse(&text[..at]), Err(BadRoomCode::Damaged));
    }
}

fn code() -> impl Strategy<Value = RoomCode> {
    any::<[u8; 32]>().prop_filter_map("the lobby has no code", |secret| RoomCode::new(AccessSecret(secret)))
}

#[test]
fn a_text_that_is_no_code_and_one_of_a_newer_version_are_told_apart() {
    for text in ["", "truecopy-room", "truecopy:aaaa", "truecopy-link:aln4dngj", "new"] {
        assert_eq!(RoomCode::parse(text), Err(BadRoomCode::NotACode), "{text}");
    }
    for text in ["truecopy-room:", "truecopy-room:a", "truecopy-room:aaaaaaaa", "truecopy-room:!"] {
        assert_eq!(RoomCode::parse(text), Err(BadRoomCode::Damaged), "{text}");
    }
    // Body `02`, checksum db c1 b4 c9.
    assert_eq!(RoomCode::parse("truecopy-room:aln4dngj"), Err(BadRoomCode::Version(2)));
}

#[test]
fn the_lobby_has_no_code_and_a_code_does_not_show_its_secret() {
    assert_eq!(RoomCode::new(AccessSecret::PUBLIC), None);
    // Body `01` and 32 zero bytes, checksum 1a 7d fd ea: intact, and of no private room.
    let zero = format!("truecopy-room:ae{}gt57xva", "a".repeat(51));
    assert_eq!(RoomCode::parse(&zero), Err(BadRoomCode::Damaged));
    // Body `09` and the same: only what it means makes the other damaged.
    let newer = "truecopy-room:beaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaatdcbvea";
    assert_eq!(RoomCode::parse(newer), Err(BadRoomCode::Version(9)));
    let code = RoomCode::new(AccessSecret([7; 32])).unwrap();
    assert!(!format!("{code:?}").contains('7'), "{code:?}");
}
