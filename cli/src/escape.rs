//! One escaper for each place where a name can end up. A name is raw bytes until it went through one of them.
//!
//! - terminal and log: control characters, escape sequences, bidirectional and invisible characters, and bytes that are
//!   not UTF-8 are shown as `\n`, `\xNN` or `\u{NNNN}`; a backslash is doubled. What is shown is one line and unambiguous.
//! - JSON: a string in which the same characters are escaped as `\uNNNN`. A name that is not UTF-8 stands with U+FFFD in
//!   place of the broken bytes, and beside it, under the key with `_hex` appended, all its bytes in hexadecimal.

use std::fmt::{self, Write as _};
use std::io;
use std::path::Path;

/// Text that is safe to write to a terminal or a log. Only the escaper makes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown(String);

impl Shown {
    /// Any bytes, for a terminal.
    pub fn terminal(bytes: &[u8]) -> Self {
        let mut text = String::with_capacity(bytes.len());
        for chunk in bytes.utf8_chunks() {
            for c in chunk.valid().chars() {
                push_char(&mut text, c);
            }
            for byte in chunk.invalid() {
                push(&mut text, format_args!("\\x{byte:02x}"));
            }
        }
        Self(text)
    }

    /// A name from a peer or a file system, for a terminal: as [`terminal`](Self::terminal), backslashes doubled.
    pub fn name(bytes: &[u8]) -> Self {
        if !bytes.contains(&b'\\') {
            return Self::terminal(bytes);
        }
        let parts: Vec<String> = bytes.split(|b| *b == b'\\').map(|part| Self::terminal(part).0).collect();
        Self(parts.join("\\\\"))
    }

    /// A path of this machine.
    pub fn path(path: &Path) -> Self {
        Self::name(path.as_os_str().as_encoded_bytes())
    }

    /// What the system said, without the number of the error.
    pub fn io(error: &io::Error) -> Self {
        let text = error.to_string();
        let end = text.find(" (os error").unwrap_or(text.len());
        Self::terminal(&text.as_bytes()[..end])
    }

    /// A name for a log line: quoted, so that its end is seen.
    pub fn log(bytes: &[u8]) -> Self {
        Self(format!("\"{}\"", Self::name(bytes).0.replace('"', "\\\"")))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Appends bytes as a JSON string, quotes included. Bytes that are not UTF-8 become U+FFFD.
pub fn json_string(out: &mut String, bytes: &[u8]) {
    out.push('"');
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                c if is_hostile(c) => {
                    for unit in c.encode_utf16(&mut [0; 2]) {
                        push(out, format_args!("\\u{unit:04x}"));
                    }
                }
                c => out.push(c),
            }
        }
        if !chunk.invalid().is_empty() {
            out.push('\u{fffd}');
        }
    }
    out.push('"');
}

fn push_char(text: &mut String, c: char) {
    match c {
        '\n' => text.push_str("\\n"),
        '\r' => text.push_str("\\r"),
        '\t' => text.push_str("\\t"),
        c if (c as u32) < 0x100 && is_hostile(c) => push(text, format_args!("\\x{:02x}", c as u32)),
        c if is_hostile(c) => push(text, format_args!("\\u{{{:x}}}", c as u32)),
        c => text.push(c),
    }
}

fn push(text: &mut String, args: fmt::Arguments<'_>) {
    // Writing to a String does not fail.
    let _ = text.write_fmt(args);
}

/// Characters that change how others are shown, or are not seen themselves.
fn is_hostile(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests;
