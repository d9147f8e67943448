//! The story as a picture: time goes to the right, in every panel alike.

mod ribbon;

use super::text::number;
use super::wire::{Did, GOOD, WINDOW};
use super::{BLOCK, Run, SIZE, Story};
use crate::report::canvas::Canvas;

const WIDTH: f64 = 1200.0;
const LEFT: f64 = 222.0;
const RIGHT: f64 = 1064.0;

/// The common axis of time.
#[derive(Clone, Copy)]
struct Axis {
    step: f64,
    end: u32,
}

impl Axis {
    fn of(story: &Story) -> Self {
        let runs = [&story.unstable, &story.pump, &story.truecopy];
        let runs = runs.into_iter().chain(story.layers.iter().map(|layer| &layer.run));
        let end = runs.map(|run| run.lasted).max().unwrap_or(1);
        Self { step: (RIGHT - LEFT) / f64::from(end), end }
    }

    fn at(self, ms: u32) -> f64 {
        LEFT + self.step * f64::from(ms)
    }
}

/// The picture.
pub(super) fn svg(story: &Story) -> String {
    let mut canvas = Canvas::new(WIDTH, 1366.0);
    let axis = Axis::of(story);
    canvas.text((40.0, 56.0), "title", "The bytes that nobody missed");
    canvas.text(
        (40.0, 82.0),
        "muted",
        format!(
            "One file of {} bytes, one unstable network, one program that does not look at the number that a \
             write returns. All of it is run, from seed {}.",
            number(SIZE as u64),
            story.seed
        ),
    );
    legend(&mut canvas, 104.0);
    naive(&mut canvas, axis, story);
    ribbon::panel(&mut canvas, story);
    layers(&mut canvas, axis, story);
    real(&mut canvas, axis, story);
    canvas.finish()
}

fn legend(canvas: &mut Canvas, y: f64) {
    let mut x = 40.0;
    for (class, text, width) in [
        ("good", "taken by the socket, and in its place", 255.0),
        ("bad", "not taken, and dropped: lost", 205.0),
        ("warn", "arrived, in a wrong place", 190.0),
        ("again", "not taken, and offered again", 205.0),
    ] {
        canvas.rect((x, y), (12.0, 12.0), class);
        canvas.text((x + 18.0, y + 10.5), "small", text);
        x += width;
    }
}

fn frame(canvas: &mut Canvas, (y, height): (f64, f64), heading: &str, says: &str) {
    canvas.panel((24.0, y), (WIDTH - 48.0, height));
    canvas.text((40.0, y + 27.0), "heading", heading);
    canvas.text((1144.0, y + 27.0), "muted end", says);
}

fn grid(canvas: &mut Canvas, axis: Axis, (top, bottom): (f64, f64)) {
    for ms in (0..=axis.end).step_by(5) {
        canvas.line((axis.at(ms), top), (axis.at(ms), bottom), "grid");
        canvas.text((axis.at(ms), bottom + 15.0), "small middle", format!("{ms} ms"));
    }
}

fn lane(canvas: &mut Canvas, (y, height): (f64, f64), name: &str, what: &str) {
    canvas.text((40.0, y + height / 2.0), "strong", name);
    canvas.text((40.0, y + height / 2.0 + 15.0), "small", what);
    canvas.line((LEFT, y + height), (RIGHT, y + height), "axis");
}

/// A bar for each write: what was taken, and above it what was not.
fn writes(canvas: &mut Canvas, axis: Axis, run: &Run, (y, height): (f64, f64), untaken: &str) {
    let biggest =
        run.writes.iter().map(|call| if let Did::Wrote { asked, .. } = call.did { asked } else { 0 });
    let scale = height / biggest.max().unwrap_or(BLOCK).max(BLOCK) as f64;
    for call in &run.writes {
        let x = axis.at(call.at) + 1.5;
        let width = axis.step - 3.0;
        match call.did {
            Did::Wrote { asked, taken } => {
                let (all, part) = (asked as f64 * scale, taken as f64 * scale);
                canvas.rect((x, y + height - part), (width, part), "good");
                canvas.rect((x, y + height - all), (width, all - part), untaken);
            }
            Did::Blocked => canvas.text((x + width / 2.0, y + height - 6.0), "small middle", "wait"),
            Did::Read(_) => {}
        }
    }
}

fn network(canvas: &mut Canvas, axis: Axis, run: &Run, (y, height): (f64, f64)) {
    for (ms, carried) in (0..).zip(&run.carried) {
        let bar = *carried as f64 / GOOD as f64 * height;
        canvas.rect((axis.at(ms), y + height - bar), (axis.step, bar), "idle");
    }
}

/// What lies in the socket and the network at the end of each millisecond.
fn level(canvas: &mut Canvas, axis: Axis, run: &Run, (y, height): (f64, f64)) {
    let (mut level, mut points) = (0_i64, vec![(LEFT, y + height)]);
    for ms in 0..run.lasted {
        let taken = run.writes.iter().filter(|call| call.at == ms).map(|call| match call.did {
            Did::Wrote { taken, .. } => taken as i64,
            Did::Blocked | Did::Read(_) => 0,
        });
        let read = run.reads.iter().filter(|call| call.at == ms).map(|call| match call.did {
            Did::Read(len) => len as i64,
            Did::Blocked | Did::Wrote { .. } => 0,
        });
        level += taken.sum::<i64>();
        let top = |level: i64| y + height - level as f64 / WINDOW as f64 * height;
        points.push((axis.at(ms) + axis.step * 0.1, top(level)));
        level -= read.sum::<i64>();
        points.push((axis.at(ms) + axis.step * 0.9, top(level)));
    }
    points.push((axis.at(run.lasted), y + height));
    canvas.polygon(&points, "level");
    canvas.line((LEFT, y), (axis.at(run.lasted), y), "mark");
    canvas.text((LEFT + 4.0, y - 4.0), "small", "full: 32 KiB");
}

/// What the receiver got in each millisecond, by where it stands in its file.
fn reads(canvas: &mut Canvas, axis: Axis, run: &Run, (y, height): (f64, f64)) {
    let mut at = 0_u64;
    for ms in 0..run.lasted {
        let read = run.reads.iter().filter(|call| call.at == ms).map(|call| match call.did {
            Did::Read(len) => len as u64,
            Did::Blocked | Did::Wrote { .. } => 0,
        });
        let end = at + read.sum::<u64>();
        let right = run.regions.iter().find(|region| region.is_right() && region.at.contains(&at));
        let right = right.map_or(0, |region| region.at.end.min(end) - at) as f64;
        let (scale, wrong) = (height / GOOD as f64, (end - at) as f64 - right);
        let (x, width) = (axis.at(ms) + 1.5, axis.step - 3.0);
        canvas.rect((x, y + height - right * scale), (width, right * scale), "good");
        canvas.rect((x, y + height - (right + wrong) * scale), (width, wrong * scale), "warn");
        at = end;
    }
}

fn naive(canvas: &mut Canvas, axis: Axis, story: &Story) {
    let (run, top) = (&story.unstable, 132.0);
    frame(canvas, (top, 366.0), "The naive pump", "sender: no error · receiver: end of file, no error");
    grid(canvas, axis, (top + 44.0, top + 338.0));
    lane(canvas, (top + 64.0, 68.0), "sender", "each write of 16 KiB");
    writes(canvas, axis, run, (top + 64.0, 68.0), "bad");
    if let Some((at, asked, taken)) = run.short_writes().next() {
        let says = format!(
            "write({}) returned {}: the other {} bytes are gone",
            number(asked as u64),
            number(taken as u64),
            number((asked - taken) as u64)
        );
        canvas.text((axis.at(at) + 2.0, top + 58.0), "small bad-text", says);
    }
    lane(canvas, (top + 150.0, 46.0), "socket", "taken, not yet read");
    level(canvas, axis, run, (top + 150.0, 46.0));
    lane(canvas, (top + 214.0, 36.0), "network", "what it carries");
    network(canvas, axis, run, (top + 214.0, 36.0));
    lane(canvas, (top + 268.0, 70.0), "receiver", "each read");
    reads(canvas, axis, run, (top + 268.0, 70.0));
}

fn layers(canvas: &mut Canvas, axis: Axis, story: &Story) {
    let top = 726.0;
    frame(
        canvas,
        (top, 302.0),
        "The same pump under one layer of truecopy at a time: who notices, and when",
        "wrong bytes passed on before the alarm",
    );
    let (first, bottom) = (top + 52.0, top + 272.0);
    grid(canvas, axis, (first - 8.0, bottom));
    let lost = story.unstable.short_writes().next().map(|(at, _, _)| at).unwrap_or_default();
    let x = axis.at(lost) + axis.step / 2.0;
    canvas.line((x, first - 8.0), (x, bottom), "mark");
    canvas.text((x - 6.0, bottom - 4.0), "small end bad-text", "the first bytes are dropped");
    let none = [("no layer", "bytes as they come", &story.unstable)];
    let rows = none.into_iter().chain(story.layers.iter().map(|l| (l.name, l.does, &l.run)));
    for (row, (name, does, run)) in (0..).zip(rows) {
        let y = first + 8.0 + f64::from(row) * 35.0;
        canvas.text((40.0, y), "strong", name);
        canvas.text((40.0, y + 14.0), "small", does);
        let (end, says, class) = match run.raised {
            Some(raised) => (axis.at(raised.at) + axis.step / 2.0, raised.alarm.to_string(), "good-text"),
            None => (axis.at(run.lasted), "nobody notices".into(), "bad-text"),
        };
        canvas.line((LEFT, y - 3.0), (end.min(x), y - 3.0), "good-line");
        canvas.line(
            (end.min(x), y - 3.0),
            (end, y - 3.0),
            if run.wrong > 0 { "warn-line" } else { "idle-line" },
        );
        canvas.dot((end, y - 3.0), 5.5, if run.raised.is_some() { "good" } else { "bad" });
        let wrong = if run.wrong > 0 { "strong end warn-text" } else { "strong end good-text" };
        canvas.text((1144.0, y + 2.0), wrong, number(run.wrong));
        // Late in the panel there is room on the left alone.
        if end > (LEFT + RIGHT) / 2.0 {
            canvas.text((end - 8.0, y - 10.0), &format!("end {class}"), says);
        } else {
            canvas.text((end + 12.0, y + 2.0), class, says);
        }
    }
}

fn real(canvas: &mut Canvas, axis: Axis, story: &Story) {
    let (run, top) = (&story.pump, 1044.0);
    let says = format!(
        "{} short writes · {} bytes in their place · none lost",
        run.short_writes().count(),
        number(run.right)
    );
    frame(canvas, (top, 296.0), "The pump of truecopy, on the same stream and the same network", &says);
    grid(canvas, axis, (top + 44.0, top + 268.0));
    lane(canvas, (top + 48.0, 96.0), "sender", "each write");
    writes(canvas, axis, run, (top + 48.0, 96.0), "again");
    lane(canvas, (top + 160.0, 36.0), "network", "what it carries");
    network(canvas, axis, run, (top + 160.0, 36.0));
    lane(canvas, (top + 208.0, 60.0), "receiver", "each read");
    reads(canvas, axis, run, (top + 208.0, 60.0));
}
