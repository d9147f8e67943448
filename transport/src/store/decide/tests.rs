use super::*;

fn other(name: &str, number: u32, is_file: bool) -> String {
    let made = numbered(name.as_bytes(), number, is_file);
    assert!(made.len() <= NAME_MAX, "{name}: {} bytes", made.len());
    String::from_utf8(made).unwrap()
}

#[test]
fn the_number_stands_before_the_extension_of_a_file_alone() {
    assert_eq!(other("a.tar.gz", 2, true), "a.tar (2).gz");
    assert_eq!(other("a.tar.gz", 2, false), "a.tar.gz (2)");
    assert_eq!(other(".profile", 3, true), ".profile (3)");
    assert_eq!(other("plain", 17, true), "plain (17)");
}

#[test]
fn a_name_that_grows_too_long_is_cut_between_characters_and_no_further() {
    for len in 240..=NAME_MAX {
        let plain = "n".repeat(len);
        assert_eq!(other(&plain, 2, true), format!("{} (2)", &plain[..len.min(251)]));
        let dotted = format!(".{}", "n".repeat(len - 1));
        assert_eq!(other(&dotted, 2, true), format!("{} (2)", &dotted[..len.min(251)]));
        let wide = "é".repeat(len / 2);
        assert_eq!(other(&wide, 2, true), format!("{} (2)", "é".repeat((len / 2).min(125))));
        let ended = format!("{}.txt", "é".repeat((len - 4) / 2));
        assert_eq!(other(&ended, 2, true), format!("{} (2).txt", "é".repeat(((len - 4) / 2).min(123))));
    }
}

#[test]
fn an_extension_as_long_as_a_name_is_cut_between_characters_too() {
    for (number, kept) in [(2, 124), (9999, 123)] {
        let name = format!("a.{}", "é".repeat(126));
        assert_eq!(other(&name, number, true), format!("a.{} ({number})", "é".repeat(kept)));
    }
}
