//! Which paths a pattern means.
//!
//! `*` any run of characters but `/`, `**` any run, `?` one but `/`, `[a-z]` one of these, `[!a-z]` none of these, `\` takes
//! the next as it is. A pattern without `/` may match any name of the path; one with `/` the whole path. What matches a
//! folder matches all in it. Bytes are compared; `?` and sets take a whole UTF-8 character.

use truecopy_protocol::content::manifest::Manifest;
use truecopy_protocol::content::name::RelPath;
use truecopy_protocol::content::selection::Selection;

use crate::escape::Shown;
use crate::exit::{Error, Exit, Result};

/// A pattern.
#[derive(Clone, Debug)]
pub struct Glob {
    pieces: Vec<Piece>,
    scope: Scope,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    Name,
    Path,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Byte(u8),
    One,
    Many,
    All,
    Set { wanted: Wanted, ranges: Vec<(char, char)> },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    In,
    Out,
}

impl Glob {
    /// Reads a pattern.
    pub fn new(text: &str) -> Result<Self> {
        let bad = || {
            let what = format!("the pattern {} has a bracket without end", Shown::name(text.as_bytes()));
            Error::usage(what).hint("write \\[ for a bracket that is meant as it is")
        };
        let trimmed = text.trim_end_matches('/');
        let scope = if trimmed.contains('/') { Scope::Path } else { Scope::Name };
        let mut pieces = Vec::new();
        let mut chars = trimmed.trim_start_matches('/').chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '*' if chars.next_if_eq(&'*').is_some() => pieces.push(Piece::All),
                '*' => pieces.push(Piece::Many),
                '?' => pieces.push(Piece::One),
                '[' => pieces.push(set(&mut chars).ok_or_else(bad)?),
                c => {
                    let c = if c == '\\' { chars.next().unwrap_or(c) } else { c };
                    pieces.extend(c.encode_utf8(&mut [0; 4]).bytes().map(Piece::Byte));
                }
            }
        }
        Ok(Self { pieces, scope })
    }

    /// Whether it means this name, whatever stands in it.
    pub fn matches_name(&self, name: &[u8]) -> bool {
        matches(&self.pieces, name)
    }

    /// Whether it means this path, or a folder that the path lies in.
    pub fn matches(&self, path: RelPath<'_>) -> bool {
        match self.scope {
            Scope::Name => path.names().any(|name| matches(&self.pieces, name)),
            Scope::Path => path.prefixes().any(|prefix| matches(&self.pieces, prefix.as_bytes())),
        }
    }
}

fn set(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<Piece> {
    let wanted = match chars.next_if(|c| matches!(c, '!' | '^')) {
        Some(_) => Wanted::Out,
        None => Wanted::In,
    };
    let mut ranges = Vec::new();
    loop {
        let from = match chars.next()? {
            // A bracket that comes first is meant as it is.
            ']' if !ranges.is_empty() => return Some(Piece::Set { wanted, ranges }),
            '\\' => chars.next()?,
            c => c,
        };
        let mut ahead = chars.clone();
        let to = match (ahead.next(), ahead.next()) {
            (Some('-'), Some(to)) if to != ']' => {
                *chars = ahead;
                to
            }
            _ => from,
        };
        ranges.push((from, to));
    }
}

/// Compares in time of at most the product of the lengths.
fn matches(pieces: &[Piece], text: &[u8]) -> bool {
    // For each piece, whether the text so far can be consumed by the pieces before it: no pattern takes exponential time.
    let mut reach = vec![false; pieces.len() + 1];
    reach[0] = true;
    skip_stars(pieces, &mut reach);
    let mut rest = text;
    while let Some((&first, _)) = rest.split_first() {
        let (c, len) = first_char(rest);
        let mut next = vec![false; pieces.len() + 1];
        for (at, piece) in pieces.iter().enumerate().filter(|(at, _)| reach[*at]) {
            match piece {
                Piece::Byte(byte) if *byte == first && len == 1 => next[at + 1] = true,
                Piece::One if first != b'/' => next[at + 1] = true,
                Piece::Many if first != b'/' => next[at] = true,
                Piece::All => next[at] = true,
                Piece::Set { wanted, ranges } if first != b'/' => {
                    let inside =
                        c.is_some_and(|c| ranges.iter().any(|(from, to)| (*from..=*to).contains(&c)));
                    next[at + 1] |= inside == (*wanted == Wanted::In);
                }
                Piece::Byte(_) if len > 1 => {
                    let literal = pieces[at..].iter().take(len).zip(rest).all(|(p, b)| *p == Piece::Byte(*b));
                    if literal && pieces.len() - at >= len {
                        next[at + len] = true;
                    }
                }
                _ => {}
            }
        }
        skip_stars(pieces, &mut next);
        reach = next;
        rest = &rest[len..];
    }
    reach[pieces.len()]
}

/// Stars can also take nothing; `**/` can take nothing at all, so that `**/a` means `a` too.
fn skip_stars(pieces: &[Piece], reach: &mut [bool]) {
    for (at, piece) in pieces.iter().enumerate() {
        if reach[at] && matches!(piece, Piece::Many | Piece::All) {
            reach[at + 1] = true;
        }
    }
    if reach[0] && pieces.first() == Some(&Piece::All) && pieces.get(1) == Some(&Piece::Byte(b'/')) {
        reach[2] = true;
    }
}

fn first_char(text: &[u8]) -> (Option<char>, usize) {
    let valid = text.utf8_chunks().next().and_then(|chunk| chunk.valid().chars().next());
    (valid, valid.map_or(1, char::len_utf8))
}

/// The entries that `only` means (all, if it is empty) and `exclude` does not.
///
/// # Errors
/// A pattern that cannot be read, or patterns that leave nothing.
pub fn select(manifest: &Manifest, only: &[String], exclude: &[String]) -> Result<Selection> {
    if only.is_empty() && exclude.is_empty() {
        return Ok(Selection::All);
    }
    let read = |texts: &[String]| texts.iter().map(|text| Glob::new(text)).collect::<Result<Vec<_>>>();
    let (only, exclude) = (read(only)?, read(exclude)?);
    let any = |globs: &[Glob], path| globs.iter().any(|glob| glob.matches(path));
    let wanted = |path| (only.is_empty() || any(&only, path)) && !any(&exclude, path);
    let entries: Vec<_> =
        manifest.entries().filter(|(_, entry)| wanted(entry.path)).map(|(index, _)| index).collect();
    if entries.is_empty() {
        return Err(Error::new(Exit::Usage, "the patterns leave nothing of this share")
            .hint("see its paths with `truecopy inspect`, and correct --only, --exclude or --first"));
    }
    Ok(Selection::Some(entries))
}

/// The entries that patterns mean which say what comes first: none, if there are no patterns.
///
/// # Errors
/// A pattern that cannot be read, or patterns that mean nothing.
pub fn first(manifest: &Manifest, first: &[String]) -> Result<Selection> {
    if first.is_empty() { Ok(Selection::none()) } else { select(manifest, first, &[]) }
}

/// Patterns as a person types them on one line: spaces part them, but for those after a `\`.
pub fn words(line: &str) -> Vec<String> {
    let (mut words, mut word) = (Vec::new(), String::new());
    let mut chars = line.trim().chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => {
                word.push(c);
                word.extend(chars.next());
            }
            c if c.is_whitespace() => words.push(std::mem::take(&mut word)),
            c => word.push(c),
        }
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_parted_at_spaces_that_are_not_escaped() {
        assert_eq!(words("  *.jpg  a\\ b.txt\tc "), ["*.jpg", "a\\ b.txt", "c"]);
        assert!(words("  ").is_empty());
    }

    fn is_match(pattern: &str, path: &str) -> bool {
        Glob::new(pattern).unwrap().matches(RelPath::new(path.as_bytes()).unwrap())
    }

    #[test]
    fn a_pattern_without_a_slash_matches_any_name() {
        assert!(is_match("*.jpg", "photos/2024/a.jpg"));
        assert!(is_match("2024", "photos/2024/a.jpg"));
        assert!(!is_match("*.jpg", "photos/a.jpeg"));
        assert!(is_match("a?c", "x/aöc"));
        assert!(!is_match("a?c", "x/ac"));
    }

    #[test]
    fn a_pattern_with_a_slash_matches_from_the_top() {
        assert!(is_match("photos/*.jpg", "photos/a.jpg"));
        assert!(!is_match("photos/*.jpg", "photos/2024/a.jpg"));
        assert!(is_match("photos/**/*.jpg", "photos/2024/5/a.jpg"));
        assert!(is_match("photos/2024/", "photos/2024/5/a.jpg"));
        assert!(!is_match("2024/a.jpg", "photos/2024/a.jpg"));
        assert!(is_match("**/a.jpg", "a.jpg") && is_match("**/a.jpg", "x/y/a.jpg"));
    }

    #[test]
    fn sets_ranges_and_escapes() {
        assert!(is_match("[a-c]x", "bx") && !is_match("[a-c]x", "dx"));
        assert!(is_match("[!a-c]x", "dx") && !is_match("[^a-c]x", "bx"));
        assert!(is_match("[]]", "]") && is_match("[a-]", "-"));
        assert!(is_match("\\*", "*") && !is_match("\\*", "a"));
        assert!(is_match("naïve", "naïve") && is_match("日*語", "日本語"));
        assert!(Glob::new("[abc").is_err());
    }

    #[test]
    fn a_pattern_of_many_stars_takes_no_long_time() {
        assert!(!is_match(&format!("{}b", "a*".repeat(60)), &"a".repeat(255)));
    }
}
