//! Bugs that are planted on purpose, one at a time: proof that the simulator would see them.
//!
//! Only in builds with `--cfg planted`, and never in an optimised one. The classic mistakes of file transfer stand where
//! they would be made, each behind [`is`]; harmless changes stand there too, which no check may take for a bug.

use core::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

#[cfg(not(debug_assertions))]
compile_error!("planted bugs are for test builds alone");

macro_rules! bugs {
    ($($number:literal $name:ident $about:literal)*) => {
        /// A planted bug or harmless change.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Bug {
            $(#[doc = $about] $name = $number,)*
        }

        impl Bug {
            /// All of them by number, the harmless ones last.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// What it does, in one line.
            pub const fn about(self) -> &'static str {
                match self {
                    $(Self::$name => $about,)*
                }
            }

            /// Its name as it stands in the source.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }
        }
    };
}

bugs! {
    1 TailDropped "the tail is dropped when a write takes fewer bytes"
    2 ReadIsFrame "one read is taken for one message: its beginning is dropped when the rest has not come yet"
    3 BlockedCounted "a write that would block counts as written"
    4 InterruptedIsEnd "an interrupted read is taken for the end of the stream"
    5 EndIsComplete "the end of the stream is taken for the end of the files"
    6 WholeBuffers "what was sent is counted in whole buffers"
    7 OwedForgotten "what a lost connection owed is never asked for again"
    8 DecoderKept "the decoder of a lost connection goes on with the next one"
    9 NotDrained "a connection is closed with unread input"
    10 OneReadOnly "one readiness is answered with one read, although more may be there"
    11 LastUnchecked "the hash of the last chunk of a file is not compared"
    12 OtherBuffer "one buffer is hashed, another one is written"
    13 SourceUnchecked "a source file is read without a look whether it is still the one that was hashed"
    14 LastShort "the last block of a file is one byte short if the size is a multiple of a block"
    15 ShortOffset "offsets are cut to 32 bits"
    16 MatchedByOrder "answers are matched with requests by order"
    17 AppendPosition "bytes are appended in the order in which they come"
    18 LengthTrusted "after a restart a file that has its length is taken for whole"
    19 ClaimsFirst "claims are made durable before their data"
    20 NoSync "files are placed without a sync of them or of their folders"
    21 SyncBelieved "a sync that failed is repeated and believed"
    22 ShortWriteIgnored "a short write to the disk is taken for a whole one, and a full disk for success"
    23 OtherVersion "the records of another version of the share are gone on with"
    24 NoTimeout "nobody looks whether a source still answers"
    25 WallClock "deadlines follow the wall clock"
    26 NoBackoff "a lost source is dialled again at once"
    27 BannedAtOnce "a source is banned for one wrong chunk"
    28 LiarAsked "a source that does not have what it said is asked for it again"
    29 KeepAliveLate "the sign of life comes later than the patience of the peer ends"
    30 AskedTwice "what one connection was asked for is asked of a new one too"
    31 LengthBelieved "memory is taken by a length before it is checked"
    32 RandomOrder "what is asked for next depends on where things lie in memory"
    33 TakenBackForgotten "what is taken back from a slow source is asked of nobody"
    34 PickedUnheld "a peer is asked for chunks that it never said it has"
    35 LastOfCount "of the chunks that equally many peers have the last one is never looked at"
    36 TakenBackUntold "who is faster is asked for what a slow source owes, and the slow source is not told"
    37 ChokedForgotten "what a peer rejects because it serves others is asked of nobody"
    38 UnchokeUntold "a peer that is served again is not told"
    39 TurnKept "whoever has the place that goes by turns keeps it, though it is gone or wants nothing more"
    40 MetUntold "peers meet before a source has said that they may"
    41 ToldOfItself "a peer is told of itself as of any other"
    42 MeetsItself "whoever is told its own address takes itself for a peer"
    43 ToldEarly "peers are told of a chunk when it is whole, before its hash is compared"
    44 LentForEver "who was to wait for a lent chunk is not told when it is free"
    45 NetworkBanned "with a liar everybody in its network is banned"
    46 BanForgotten "whoever gave wrong bytes is met again"
    47 TrackerAtOnce "a tracker that failed is asked again at once"
    48 StoppedAgain "a tracker that was told of the end is told again and again"
    49 ChoiceForgets "what was verified before the user chooses anew is taken for unverified"
    50 SaidOnce "what was not acknowledged is not said again on the next connection"
    51 HeardAgain "a word that comes again on the next connection is given to the user again"
    52 CallAgain "a call is heard and passed on as often as it comes"
    53 SameLife "every run of a program has the same number, so its words count as heard"
    54 SentIsHeard "what was sent counts as delivered"
    55 LossUntold "whoever said what is given up is not told"
    56 HeardForgotten "what follows a word closely is never acknowledged"
    57 FirstCalled "of the receivers that are named to whoever serves only the first is called on"
    101 RequestsReversed "harmless: the last chunk is asked for first"
    102 LongTurns "harmless: a connection may move four times as much before it is others' turn"
    103 SmallWindow "harmless: a source is asked for one span after the other"
    104 ExtraCopy "harmless: bytes are copied once more before they are sent"
    105 AnsweredReversed "harmless: the last request is answered first"
    106 SmallFrames "harmless: frames carry one block each"
    107 EagerSyncs "harmless: every claim is synced"
    108 TurnsEachRound "harmless: the place that goes by turns goes on after every round"
}

impl Bug {
    /// Its number in the catalogue.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// Whether it is a change that harms nothing.
    pub const fn is_harmless(self) -> bool {
        self.number() > 100
    }
}

/// Bytes that [`Bug::LengthBelieved`] takes at most: beyond every limit, and still harmless to this machine.
pub(crate) const BELIEVED_MAX: usize = 256 << 20;

static ACTIVE: AtomicU8 = AtomicU8::new(0);
static DRAWN: AtomicUsize = AtomicUsize::new(0);

/// Makes this the only active bug of the process; none: all are off.
pub fn set(bug: Option<Bug>) {
    ACTIVE.store(bug.map_or(0, Bug::number), Ordering::SeqCst);
}

/// Whether this one is active.
pub fn is(bug: Bug) -> bool {
    ACTIVE.load(Ordering::Relaxed) == bug.number()
}

/// A coin that remembers all earlier throws of the process: what no run may depend on.
pub(crate) fn coin() -> bool {
    DRAWN.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9e37_79b9) & 0x1_0000 != 0
}
