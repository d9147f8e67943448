//! The second tier of the rules of names: what the receiver's own file system cannot hold. PROTOCOL §3.4.
//!
//! The first tier ([`RelPath`](crate::content::name::RelPath)) refuses what is never safe. What is judged here is
//! only unfit for some places: the receiver fails, renames or skips, and reports it. Nothing here looks at a disk.

mod fold;

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::EntryIndex;
use crate::content::manifest::Manifest;
use fold::Folder;

/// Whether names that differ in case only are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    /// `A` and `a` are two names.
    Sensitive,
    /// `A` and `a` are one name.
    Insensitive,
}

/// Which names are kept for devices, and which characters mean something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syntax {
    /// Only `/` and NUL.
    Posix,
    /// What the Windows API takes.
    Windows,
}

/// What bytes a name may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Text {
    /// Any.
    Bytes,
    /// UTF-8.
    Utf8,
}

/// Whether names that differ in Unicode normalisation only are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Normalisation {
    /// `é` and `e` + accent are two names.
    Sensitive,
    /// They are one name.
    Insensitive,
}

/// How a file system treats names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NameRules {
    /// Case.
    pub case: Case,
    /// Reserved names and characters.
    pub syntax: Syntax,
    /// Bytes.
    pub text: Text,
    /// Normalisation.
    pub normalisation: Normalisation,
}

impl NameRules {
    /// The usual file systems of Linux: every valid name is good.
    pub const LINUX: Self = Self {
        case: Case::Sensitive,
        syntax: Syntax::Posix,
        text: Text::Bytes,
        normalisation: Normalisation::Sensitive,
    };
    /// APFS as it is shipped.
    pub const MACOS: Self = Self {
        case: Case::Insensitive,
        syntax: Syntax::Posix,
        text: Text::Utf8,
        normalisation: Normalisation::Insensitive,
    };
    /// NTFS under Windows.
    pub const WINDOWS: Self = Self {
        case: Case::Insensitive,
        syntax: Syntax::Windows,
        text: Text::Utf8,
        normalisation: Normalisation::Sensitive,
    };
}

/// Why a file system cannot hold a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameFault {
    /// It is not UTF-8.
    #[error("the name is not UTF-8")]
    NotUtf8,
    /// A control character.
    #[error("the name has the control character {0:#04x}")]
    Control(u8),
    /// A character with a meaning of its own: `\` divides paths, `:` names streams and drives, `<>"|?*` are taken.
    #[error("the name has the character {0:?}")]
    Forbidden(char),
    /// A device: `CON`, `NUL`, `COM1`, `LPT¹` and so on, with any ending.
    #[error("the name is that of a device")]
    Reserved,
    /// A dot at the end, which would be dropped.
    #[error("the name ends in a dot")]
    TrailingDot,
    /// A space at the end, which would be dropped.
    #[error("the name ends in a space")]
    TrailingSpace,
}

/// Judges one name, which is valid by the first tier.
///
/// # Errors
/// The first [`NameFault`] that the rules find.
pub fn judge(name: &[u8], rules: &NameRules) -> Result<(), NameFault> {
    if rules.text == Text::Utf8 && core::str::from_utf8(name).is_err() {
        return Err(NameFault::NotUtf8);
    }
    match rules.syntax {
        Syntax::Posix => Ok(()),
        Syntax::Windows => judge_windows(name),
    }
}

fn judge_windows(name: &[u8]) -> Result<(), NameFault> {
    for byte in name {
        match byte {
            0..0x20 => return Err(NameFault::Control(*byte)),
            b'\\' | b':' | b'<' | b'>' | b'"' | b'|' | b'?' | b'*' => {
                return Err(NameFault::Forbidden(char::from(*byte)));
            }
            _ => {}
        }
    }
    match name.last() {
        Some(b'.') => Err(NameFault::TrailingDot),
        Some(b' ') => Err(NameFault::TrailingSpace),
        _ if is_device(name) => Err(NameFault::Reserved),
        _ => Ok(()),
    }
}

/// Devices keep their meaning with an ending (`nul.txt`), and with spaces before it.
fn is_device(name: &[u8]) -> bool {
    let stem = name.split(|b| *b == b'.').next().unwrap_or(name).trim_ascii_end();
    if [&b"con"[..], b"prn", b"aux", b"nul", b"conin$", b"conout$"]
        .iter()
        .any(|d| stem.eq_ignore_ascii_case(d))
    {
        return true;
    }
    let Some((device, number)) = stem.split_at_checked(3) else { return false };
    let numbered = matches!(number, [b'0'..=b'9']) || ["¹", "²", "³"].iter().any(|n| n.as_bytes() == number);
    numbered && (device.eq_ignore_ascii_case(b"com") || device.eq_ignore_ascii_case(b"lpt"))
}

/// An entry that cannot stand beside an earlier one: a path of theirs, though spelled differently, is the same there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Collision {
    /// The earlier one, which can stay.
    pub first: EntryIndex,
    /// The one in its way.
    pub second: EntryIndex,
    /// How many names of `second`'s path lead to the place in question: less than all if a folder collides.
    pub depth: usize,
}

/// The entries that would meet others in one place, in order, each once.
///
/// Case: every character is compared by its Unicode upper and lower case forms, those of several characters
/// included, which takes somewhat more names for the same than any file system does (`ß` and `ss`). Normalisation:
/// canonical decomposition of composed letters in the basic multilingual plane and of Hangul. Not covered: marks in
/// another order, compatibility ideographs, scripts beyond that plane, characters that a file system ignores. What is
/// missed is found when the file is created: nothing is overwritten, and it becomes a conflict.
pub fn collisions(manifest: &Manifest, rules: &NameRules) -> Vec<Collision> {
    if rules.case == Case::Sensitive && rules.normalisation == Normalisation::Sensitive {
        return Vec::new();
    }
    let folder = Folder::new(rules);
    let mut places: BTreeMap<Vec<u8>, (EntryIndex, &[u8])> = BTreeMap::new();
    let mut found = Vec::new();
    for (second, entry) in manifest.entries() {
        let mut key = Vec::with_capacity(entry.path.as_bytes().len());
        for (depth, prefix) in (1..).zip(entry.path.prefixes()) {
            folder.append(prefix.file_name(), &mut key);
            let (first, spelled) = *places.entry(key.clone()).or_insert((second, prefix.as_bytes()));
            if spelled != prefix.as_bytes() {
                found.push(Collision { first, second, depth });
                break;
            }
            key.push(b'/');
        }
    }
    found
}
