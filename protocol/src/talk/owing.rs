//! Acknowledgements that are owed to one node: the first at once, one for all words that follow it closely.

use core::time::Duration;

use crate::wire::Heard;
use crate::{ConnId, Now};

/// Between two acknowledgements, unless much is owed. Each costs both ends a packet, and its sender as much as a word.
const INTERVAL: Duration = Duration::from_millis(50);
/// Words that are acknowledged at once: far fewer, and far fewer bytes, than may wait for a node, so that nobody who says
/// much waits for us.
const WORDS_MAX: u32 = 64;
const BYTES_MAX: usize = 32 << 10;

/// What was heard of one node and not acknowledged yet.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Owing {
    owed: Option<Owed>,
    /// When the last acknowledgement was said.
    said: Option<Now>,
}

#[derive(Clone, Copy, Debug)]
struct Owed {
    /// Where the last of the words came from.
    conn: ConnId,
    heard: Heard,
    words: u32,
    bytes: usize,
}

impl Owing {
    /// A word of so many bytes was heard.
    pub(crate) fn owe(&mut self, conn: ConnId, mut heard: Heard, bytes: usize) {
        let (mut words, mut sum) = (1, bytes);
        // What an earlier run said is waited for by nobody.
        if let Some(owed) = self.owed.filter(|owed| owed.heard.life == heard.life) {
            heard.number = heard.number.max(owed.heard.number);
            (words, sum) = (owed.words + 1, owed.bytes + bytes);
        }
        self.owed = Some(Owed { conn, heard, words, bytes: sum });
    }

    /// When it is to be said; none: nothing is owed.
    pub(crate) fn due(&self, now: Now) -> Option<Now> {
        let owed = self.owed?;
        let is_much = owed.words >= WORDS_MAX || owed.bytes >= BYTES_MAX;
        Some(self.said.filter(|_| !is_much).map_or(now, |said| said + INTERVAL))
    }

    /// It is said now: what, and on which connection the last of the words came.
    pub(crate) fn take(&mut self, now: Now) -> Option<(ConnId, Heard)> {
        let Owed { conn, heard, .. } = self.owed.take()?;
        self.said = Some(now);
        Some((conn, heard))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONN: ConnId = ConnId(3);

    fn at(millis: u64) -> Now {
        Now::ZERO + Duration::from_millis(millis)
    }

    const fn heard(life: u64, number: u64) -> Heard {
        Heard { life, number }
    }

    #[test]
    fn the_first_word_is_acknowledged_at_once_and_one_stands_for_those_that_follow() {
        let mut owing = Owing::default();
        assert_eq!(owing.due(at(7)), None);
        owing.owe(CONN, heard(1, 1), 10);
        assert_eq!(owing.due(at(7)), Some(at(7)));
        assert_eq!(owing.take(at(7)), Some((CONN, heard(1, 1))));
        (2..6).for_each(|number| owing.owe(CONN, heard(1, number), 10));
        // One that comes again takes nothing back.
        owing.owe(CONN, heard(1, 3), 10);
        assert_eq!(owing.due(at(8)), Some(at(57)));
        assert_eq!(owing.take(at(57)), Some((CONN, heard(1, 5))));
        assert_eq!((owing.due(at(57)), owing.take(at(57))), (None, None));
    }

    #[test]
    fn who_says_much_does_not_wait() {
        for (words, bytes) in [(u64::from(WORDS_MAX), 1), (2, BYTES_MAX / 2)] {
            let mut owing = Owing::default();
            owing.owe(CONN, heard(1, 1), 1);
            owing.take(at(7));
            for number in 2..=words {
                owing.owe(CONN, heard(1, number), bytes);
                assert_eq!(owing.due(at(8)), Some(at(57)));
            }
            owing.owe(CONN, heard(1, words + 1), bytes);
            assert_eq!(owing.due(at(8)), Some(at(8)));
        }
    }

    #[test]
    fn another_run_of_the_program_is_told_of_its_own_words() {
        let mut owing = Owing::default();
        owing.owe(CONN, heard(1, 9), 10);
        owing.owe(ConnId(4), heard(2, 1), 10);
        assert_eq!(owing.take(at(7)), Some((ConnId(4), heard(2, 1))));
    }
}
