use super::*;

#[test]
fn the_codes_are_those_of_the_table() {
    let codes: Vec<u8> = Exit::ALL.iter().map(|exit| exit.code()).collect();
    assert_eq!(codes, [0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 20, 130, 143]);
}

#[test]
fn every_code_has_a_word_of_its_own() {
    let mut words: Vec<&str> = Exit::ALL.iter().map(|exit| exit.word()).collect();
    words.sort_unstable();
    words.dedup();
    assert_eq!(words.len(), Exit::ALL.len());
}

#[test]
fn an_error_cannot_carry_a_control_character() {
    let error = Error::new(Exit::Integrity, "bad\u{1b}[0m").hint("do\u{7}");
    assert_eq!(error.to_string(), "bad\\x1b[0m");
    assert_eq!(error.hint.unwrap().as_str(), "do\\x07");
}
