//! Names brought to one form, so that equal forms are one name to a file system.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::{Case, NameRules, Normalisation};

/// Every canonical decomposition into two of the basic multilingual plane (Unicode Character Database): lines of three
/// code points in hexadecimal, a letter and the two that it is composed of.
const PAIRS: &str = include_str!("pairs.txt");

const HANGUL: u32 = 0xac00;
const HANGUL_COUNT: u32 = 11_172;
const VOWELS: u32 = 21;
const TAILS: u32 = 28;

/// Folds names by the rules of one file system.
pub(super) struct Folder {
    case: Case,
    /// Empty where normalisation makes a difference.
    pairs: BTreeMap<char, [char; 2]>,
    normalisation: Normalisation,
}

impl Folder {
    pub(super) fn new(rules: &NameRules) -> Self {
        let pairs = match rules.normalisation {
            Normalisation::Sensitive => BTreeMap::new(),
            Normalisation::Insensitive => PAIRS.lines().filter_map(pair).collect(),
        };
        Self { case: rules.case, pairs, normalisation: rules.normalisation }
    }

    /// Appends the form of a name. Bytes that are no UTF-8 are folded as ASCII.
    pub(super) fn append(&self, name: &[u8], to: &mut Vec<u8>) {
        match (core::str::from_utf8(name), self.case) {
            (Ok(text), Case::Sensitive) => text.chars().for_each(|c| self.decompose(c, to)),
            // Up first: several lower-case letters may share one upper-case letter.
            (Ok(text), Case::Insensitive) => text
                .chars()
                .flat_map(char::to_uppercase)
                .flat_map(char::to_lowercase)
                .for_each(|c| self.decompose(c, to)),
            (Err(_), Case::Sensitive) => to.extend_from_slice(name),
            (Err(_), Case::Insensitive) => to.extend(name.iter().map(u8::to_ascii_lowercase)),
        }
    }

    fn decompose(&self, letter: char, to: &mut Vec<u8>) {
        let syllable = u32::from(letter).wrapping_sub(HANGUL);
        if let Some([base, mark]) = self.pairs.get(&letter) {
            // Pairs lead to earlier letters only, a few steps.
            self.decompose(*base, to);
            push(*mark, to);
        } else if self.normalisation == Normalisation::Insensitive && syllable < HANGUL_COUNT {
            let tail = syllable % TAILS;
            let jamo = [
                0x1100 + syllable / (VOWELS * TAILS),
                0x1161 + syllable % (VOWELS * TAILS) / TAILS,
                0x11a7 + tail,
            ];
            let jamo = if tail == 0 { &jamo[..2] } else { &jamo };
            jamo.iter().filter_map(|code| char::from_u32(*code)).for_each(|c| push(c, to));
        } else {
            push(letter, to);
        }
    }
}

fn push(letter: char, to: &mut Vec<u8>) {
    to.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
}

fn pair(line: &str) -> Option<(char, [char; 2])> {
    let mut codes = line.split(' ').filter_map(|code| char::from_u32(u32::from_str_radix(code, 16).ok()?));
    Some((codes.next()?, [codes.next()?, codes.next()?]))
}
