//! The story as text for a terminal of 80 columns.

use std::fmt::Write as _;

use super::file::{Region, SIZE};
use super::wire::{Did, GOOD};
use super::{Layer, Raised, Run, Story};

/// Columns.
const WIDTH: usize = 80;

/// Columns that stand for the whole file.
const FILE_WIDTH: usize = 64;

/// A number with its thousands apart.
pub(super) fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The story.
pub(super) fn text(story: &Story) -> String {
    let mut out = String::new();
    opening(&mut out, story);
    calm(&mut out, &story.calm);
    unstable(&mut out, &story.unstable);
    promises(&mut out, story);
    layers(&mut out, &story.layers);
    pump(&mut out, story);
    out
}

/// Adds a line. Writing to a `String` cannot fail.
macro_rules! line {
    ($out:expr) => { $out.push('\n') };
    ($out:expr, $($arg:tt)*) => {{
        let _ = writeln!($out, $($arg)*);
    }};
}

fn heading(out: &mut String, text: &str) {
    let used = text.chars().count() + 1;
    line!(out, "\n{text} {}", "─".repeat(WIDTH - used));
}

fn opening(out: &mut String, story: &Story) {
    line!(out, "{:<40}{:>40}", "The bytes that nobody missed", format!("seed {}", story.seed));
    line!(out);
    line!(
        out,
        "A program sends a file of {} bytes as 24 messages of 16 KiB. Its pump does",
        number(SIZE as u64)
    );
    line!(out, "not look at the number that a write returns. Nothing below is canned: every");
    line!(out, "line comes from a run. Each byte of the file says where it belongs.");
}

/// What the network carried, a column each millisecond.
fn weather(run: &Run) -> String {
    let bar = |carried: &usize| match carried * 8 / GOOD {
        0 => ' ',
        eighths => "▁▂▃▄▅▆▇█".chars().nth(eighths.min(8) - 1).unwrap_or('█'),
    };
    run.carried.iter().map(bar).collect()
}

fn calm(out: &mut String, run: &Run) {
    heading(out, "1  A good network");
    line!(out, "   network   {}   24 KiB in every millisecond", weather(run));
    let whole =
        run.writes.iter().filter(|call| matches!(call.did, Did::Wrote { asked, taken } if asked == taken));
    line!(
        out,
        "   {} writes, {} taken whole; {} bytes arrived, {} wrong. It is shipped.",
        run.writes.len(),
        whole.count(),
        number(run.right),
        run.wrong
    );
}

fn unstable(out: &mut String, run: &Run) {
    heading(out, "2  An unstable network, the same program, the same file");
    line!(out, "   network   {}   weak, still, good again", weather(run));
    for (at, asked, taken) in run.short_writes() {
        line!(
            out,
            "   {at:>3} ms  write({:>6}) = {:<6}  the last {:>6} bytes are gone. No error.",
            number(asked as u64),
            number(taken as u64),
            number((asked - taken) as u64)
        );
    }
    line!(out, "   sender    \"sent {} bytes\"           errors: {}", number(SIZE as u64), run.sender_errors);
    line!(out, "   receiver  \"end of file\"                  errors: {}", u32::from(run.raised.is_some()));
    line!(out);
    line!(
        out,
        "   sent      {}",
        strip(|offset| !run.missing.iter().any(|gap| gap.contains(&offset)), SIZE as u64, '·')
    );
    let got: u64 = run.regions.last().map_or(0, |region| region.at.end);
    line!(out, "   received  {}", received_strip(run, got));
    line!(out, "             █ in its place   ▒ in a wrong place   · lost");
    for region in run.regions.iter().filter(|region| !region.is_right()) {
        line!(out, "   {}", misplaced(region));
    }
    line!(
        out,
        "   {} bytes are missing; {} of {} are not what should stand there.",
        number(run.missing.iter().map(|gap| gap.end - gap.start).sum()),
        number(run.wrong),
        number(got)
    );
}

/// A strip of the file: full where most of a column's bytes are there.
fn strip(is_there: impl Fn(u64) -> bool, len: u64, other: char) -> String {
    let step = SIZE / FILE_WIDTH;
    (0..FILE_WIDTH)
        .map(|column| {
            let samples = (0..8).map(|sample| (column * step + sample * step / 8) as u64);
            let there = samples.filter(|offset| *offset < len && is_there(*offset)).count();
            if there > 4 { '█' } else { other }
        })
        .collect()
}

fn received_strip(run: &Run, len: u64) -> String {
    let right =
        |offset: u64| run.regions.iter().any(|region| region.at.contains(&offset) && region.is_right());
    let columns = (len as usize * FILE_WIDTH).div_ceil(SIZE);
    strip(right, len, '▒').chars().take(columns).collect()
}

fn misplaced(region: &Region) -> String {
    let at = format!("{:>7} ..{:>7}", number(region.at.start), number(region.at.end));
    match region.source() {
        Some(source) => format!(
            "{at}  hold the bytes of {:>7} ..{:>7}: {:>6} too early",
            number(source.start),
            number(source.end),
            number(source.start - region.at.start.min(source.start))
        ),
        None => format!("{at}  hold {:?}", region.from),
    }
}

fn promises(out: &mut String, story: &Story) {
    heading(out, "3  What TCP promises, and what it does not");
    line!(out, "   yes  bytes that it took arrive in order and once, or the connection fails");
    line!(out, "   no   that it takes all it is handed: a write returns how much it took");
    line!(out, "   no   that a read gives what one write was given: here a program that sends");
    line!(
        out,
        "        every byte, but takes each read for a message, put {} of {}",
        number(story.messages.wrong),
        number(story.messages.wrong + story.messages.right)
    );
    line!(
        out,
        "        bytes in wrong places: 24 messages came as {} reads. Errors: {}",
        story.messages.reads.iter().filter(|call| matches!(call.did, Did::Read(1..))).count(),
        u32::from(story.messages.raised.is_some())
    );
    line!(out, "   no   that the peer's program has seen what was taken");
}

fn layers(out: &mut String, layers: &[Layer]) {
    heading(out, "4  The naive pump under truecopy's layers, one at a time");
    line!(out, "   {:<13}{:<6} {:<46}{:>10}", "layer", "when", "who notices", "believed*");
    for layer in layers {
        let (when, what) = match &layer.run.raised {
            Some(Raised { at, alarm, .. }) => (format!("{at} ms"), alarm.to_string()),
            None => ("never".into(), "nobody".into()),
        };
        line!(out, "   {:<13}{when:<6} {what:<46}{:>10}", layer.name, number(layer.run.wrong));
    }
    line!(out, "   * wrong bytes that were handed on as the user's before the alarm. Frames");
    line!(out, "     alone notice late, a manifest at the end, hashes and TLS before any harm.");
}

fn pump(out: &mut String, story: &Story) {
    heading(out, "5  The pump of truecopy: the same stream, the same network");
    let rows = [
        ("naive pump", &story.unstable),
        ("truecopy's pump", &story.pump),
        ("all of truecopy", &story.truecopy),
    ];
    line!(
        out,
        "   {:<18}{:>7}{:>7}{:>15}{:>10}{:>8}{:>9}",
        "",
        "writes",
        "short",
        "not taken",
        "right",
        "wrong",
        "lost"
    );
    for (name, run) in rows {
        let lost: u64 = run.missing.iter().map(|gap| gap.end - gap.start).sum();
        line!(
            out,
            "   {name:<18}{:>7}{:>7}{:>15}{:>10}{:>8}{:>9}",
            run.writes.len(),
            run.short_writes().count(),
            number(run.untaken()),
            number(run.right),
            number(run.wrong),
            number(lost)
        );
    }
    line!(out, "   A short write is not an accident: it is how a full socket says \"later\". The");
    line!(out, "   pump keeps what was not taken and offers it again.");
}
