//! A swarm as a picture: a row for each peer, time to the right, colour for what it has; whence it came, and who gave.

use std::fmt::Write as _;

use super::canvas::Canvas;
use super::picture::step;
use crate::plan::Plan;
use crate::world::{Bin, Level, Mark, Run, Verdict, Watched};

const WIDTH: f64 = 1200.0;
/// The part in which time goes to the right.
const LEFT: f64 = 110.0;
const RIGHT: f64 = 860.0;
/// Beside it: what came to each peer, and what each gave.
const CAME: (f64, f64) = (884.0, 1010.0);
const GAVE: (f64, f64) = (1034.0, 1160.0);
const FLOW_TOP: f64 = 160.0;
const FLOW_HEIGHT: f64 = 90.0;
const ROWS_TOP: f64 = FLOW_TOP + FLOW_HEIGHT + 58.0;
/// Rows that are drawn; more peers than that share rows.
const ROWS_MAX: usize = 1000;
/// What all rows together should be high.
const ROWS_HEIGHT: f64 = 700.0;
/// Groups of peers in the table of who gave whom.
const GROUPS_MAX: usize = 64;
const TABLE: f64 = 420.0;

/// Colours of shares: nothing, nine steps, everything.
const STYLE: &str = "\
.p0{fill:#e9edf1}.p1{fill:#fbeecb}.p2{fill:#f3e3a6}.p3{fill:#dcdf9f}.p4{fill:#bcd9a0}.p5{fill:#97cfa4}.p6{fill:#6fc2a8}\
.p7{fill:#4bb1aa}.p8{fill:#339ba6}.p9{fill:#2a819b}.p10{fill:#1d5c86}.p11{fill:#f3efe6}\
path{shape-rendering:crispEdges}.from-seeders{fill:#eaa63c}.from-others{fill:#2a8c9a}\
.m-done{fill:#0b2c44}.m-crash{fill:#d6455d}.m-left{fill:#8592a0}.m-ban{fill:#7a2fb0}";
/// The class of a program that does not run.
const DOWN: usize = 11;

/// The picture of a run that was watched ([`Watch::Swarm`](crate::world::Watch)); nothing if it was not.
///
/// Its size is bounded, whoever takes part for however long: a thousand rows, and a few hundred steps of time.
pub fn swarm_picture(plan: &Plan, run: &Run) -> Option<String> {
    let watched = run.watched.as_ref()?;
    let hosts = watched.rows().len();
    let group = hosts.div_ceil(ROWS_MAX).max(1);
    let rows = hosts.div_ceil(group);
    let row = (ROWS_HEIGHT / rows as f64).clamp(1.6, 16.0);
    let bins = watched.rows().iter().map(Vec::len).max().unwrap_or(0).max(1);
    let bottom = ROWS_TOP + rows as f64 * row;
    let canvas = Canvas::styled(WIDTH, bottom + 100.0 + TABLE, STYLE);
    let mut picture = Picture { canvas, plan, run, watched, group, rows, row, bins };
    picture.head();
    picture.legend();
    picture.axis(bottom);
    picture.flow();
    picture.names();
    picture.cells();
    picture.marks();
    picture.sides();
    picture.table(bottom + 70.0);
    Some(picture.canvas.finish())
}

struct Picture<'a> {
    canvas: Canvas,
    plan: &'a Plan,
    run: &'a Run,
    watched: &'a Watched,
    /// Hosts of a row.
    group: usize,
    rows: usize,
    /// How high a row is.
    row: f64,
    bins: usize,
}

/// Outlines of many boxes of one class.
#[derive(Default)]
struct Boxes(String);

impl Boxes {
    fn add(&mut self, (x, y): (f64, f64), (w, h): (f64, f64)) {
        if w > 0.0 && h > 0.0 {
            // Writing to a `String` cannot fail.
            let _ = write!(self.0, "M{x:.1} {y:.1}h{w:.1}v{h:.1}h-{w:.1}z");
        }
    }
}

impl Picture<'_> {
    fn end(&self) -> u64 {
        self.bins as u64 * self.watched.width()
    }

    fn x(&self, at: u64) -> f64 {
        LEFT + (RIGHT - LEFT) * at.min(self.end()) as f64 / self.end() as f64
    }

    fn x_of_bin(&self, bin: usize) -> f64 {
        LEFT + (RIGHT - LEFT) * bin as f64 / self.bins as f64
    }

    fn y(&self, row: usize) -> f64 {
        ROWS_TOP + row as f64 * self.row
    }

    /// What of a row's height is painted.
    fn high(&self) -> f64 {
        if self.row >= 5.0 { self.row - 1.0 } else { self.row }
    }

    fn hosts_of(&self, row: usize) -> std::ops::Range<usize> {
        row * self.group..((row + 1) * self.group).min(self.watched.rows().len())
    }

    fn head(&mut self) {
        self.canvas.text((40.0, 38.0), "title", "A swarm: who had what, when");
        let about: String = self.plan.about.chars().take(150).collect();
        self.canvas.text((40.0, 60.0), "strong", about);
        let (scenario, stats) = (&self.plan.scenario, &self.run.stats);
        let text = format!(
            "{} senders, {} receivers, a share of {}; {} done after {:.1} simulated seconds, {} connections, seed {:016x}",
            scenario.senders,
            scenario.receivers,
            size(scenario.size() as f64),
            stats.completed,
            stats.nanos as f64 / 1e9,
            stats.connections,
            self.plan.seed
        );
        self.canvas.text((40.0, 78.0), "muted", text);
        let (class, text) = match &self.run.verdict {
            Verdict::Pass => ("strong good-text", "passed: everybody has everything".into()),
            Verdict::Stopped => ("strong muted", "stopped before its end".into()),
            Verdict::Fail(found) => ("strong bad-text", found.to_string()),
        };
        self.canvas.text((40.0, 98.0), class, text.chars().take(150).collect::<String>());
    }

    fn legend(&mut self) {
        let y = 112.0;
        self.canvas.text((40.0, y + 10.0), "small", "proven: 0 %");
        for level in 0..=10 {
            self.canvas.rect((112.0 + 15.0 * level as f64, y), (15.0, 12.0), &format!("p{level}"));
        }
        self.canvas.text((282.0, y + 10.0), "small", "100 %");
        self.canvas.rect((328.0, y), (14.0, 12.0), "p11");
        self.canvas.text((347.0, y + 10.0), "small", "does not run");
        let mut x = 436.0;
        for (class, text) in [
            ("m-done", "everything placed"),
            ("m-crash", "crashed"),
            ("m-left", "left"),
            ("m-ban", "sent away for wrong bytes"),
        ] {
            self.canvas.rect((x, y), (3.0, 12.0), class);
            self.canvas.text((x + 8.0, y + 10.0), "small", text);
            x += 30.0 + 6.0 * text.len() as f64;
        }
        for (class, text) in [("from-seeders", "from seeders"), ("from-others", "from other receivers")] {
            self.canvas.rect((x, y), (12.0, 12.0), class);
            self.canvas.text((x + 17.0, y + 10.0), "small", text);
            x += 40.0 + 6.0 * text.len() as f64;
        }
    }

    fn axis(&mut self, bottom: f64) {
        let step = step(self.end() / 10);
        for at in (0..=self.end() / step).map(|tick| tick * step) {
            let x = self.x(at);
            self.canvas.line((x, FLOW_TOP), (x, bottom + 4.0), "grid");
            // As many places as the step has.
            self.canvas.text((x, bottom + 18.0), "small middle", format!("{} s", at as f64 / 1e9));
        }
        let middle = f64::midpoint(LEFT, RIGHT);
        self.canvas.text((middle, bottom + 34.0), "small middle", "simulated time from the start of the run");
    }

    /// Bytes a second to all receivers, by whence they came.
    fn flow(&mut self) {
        let mut sums = vec![Bin::default(); self.bins];
        for row in self.watched.rows() {
            for (sum, bin) in sums.iter_mut().zip(row) {
                sum.from_senders += bin.from_senders;
                sum.from_receivers += bin.from_receivers;
            }
        }
        let most = sums.iter().map(|sum| sum.from_senders + sum.from_receivers).max().unwrap_or(0).max(1);
        let seconds = self.watched.width() as f64 / 1e9;
        self.canvas.text(
            (LEFT, FLOW_TOP - 8.0),
            "small",
            format!("what reached all peers together, {} a second at most", size(most as f64 / seconds)),
        );
        let (base, scale) = (FLOW_TOP + FLOW_HEIGHT, FLOW_HEIGHT / most as f64);
        let wide = (RIGHT - LEFT) / self.bins as f64;
        let (mut seeders, mut others) = (Boxes::default(), Boxes::default());
        for (bin, sum) in sums.iter().enumerate() {
            let (low, high) = (sum.from_senders as f64 * scale, sum.from_receivers as f64 * scale);
            seeders.add((self.x_of_bin(bin), base - low), (wide, low));
            others.add((self.x_of_bin(bin), base - low - high), (wide, high));
        }
        self.canvas.path(&seeders.0, "from-seeders");
        self.canvas.path(&others.0, "from-others");
        self.canvas.line((LEFT, base), (RIGHT, base), "axis");
    }

    fn names(&mut self) {
        let y = ROWS_TOP - 10.0;
        let text = match self.group {
            1 => "a row for each peer: what it has proven".to_owned(),
            group => format!("a row for each {group} peers: what they have proven"),
        };
        self.canvas.text((LEFT, y), "small", text);
        self.canvas.text((CAME.0, y), "small", "what came, from whom");
        self.canvas.text((GAVE.0, y), "small", "what it gave");
        // Names would lie over each other.
        let every = (13.0 / self.row).ceil().max(1.0) as usize;
        let senders = usize::from(self.plan.scenario.senders);
        for row in (0..self.rows).step_by(every) {
            let host = self.hosts_of(row).start;
            let part = if host < senders { "seeder" } else { "peer" };
            let y = self.y(row) + f64::midpoint(self.high().max(8.0), 8.0);
            self.canvas.text((LEFT - 8.0, y), "small end", format!("{part} {host}"));
        }
    }

    /// The level of each bin of a row: tenths of the share, or [`DOWN`].
    fn levels(&self, row: usize) -> Vec<usize> {
        let total = self.plan.scenario.size().max(1) as f64;
        let hosts = self.hosts_of(row);
        let mut standings = vec![Level::Down; hosts.len()];
        (0..self.bins)
            .map(|bin| {
                for (standing, host) in standings.iter_mut().zip(hosts.clone()) {
                    match self.watched.rows()[host].get(bin).map_or(Level::Unchanged, |bin| bin.level) {
                        Level::Unchanged => {}
                        other => *standing = other,
                    }
                }
                let has = standings.iter().filter_map(|standing| match standing {
                    Level::Has(bytes) => Some(*bytes as f64 / total),
                    Level::Down | Level::Unchanged => None,
                });
                let (sum, count) = has.fold((0.0, 0), |(sum, count), share| (sum + share, count + 1));
                match count {
                    0 => DOWN,
                    _ => (10.0 * sum / f64::from(count)).floor().clamp(0.0, 10.0) as usize,
                }
            })
            .collect()
    }

    fn cells(&mut self) {
        let mut boxes: [Boxes; DOWN + 1] = Default::default();
        for row in 0..self.rows {
            let (levels, y) = (self.levels(row), self.y(row));
            let mut from = 0;
            for run in levels.chunk_by(PartialEq::eq) {
                let (left, right) = (self.x_of_bin(from), self.x_of_bin(from + run.len()));
                boxes[run[0]].add((left, y), (right - left, self.high()));
                from += run.len();
            }
        }
        for (level, boxes) in boxes.iter().enumerate() {
            self.canvas.path(&boxes.0, &format!("p{level}"));
        }
    }

    fn marks(&mut self) {
        let high = self.high();
        for (mark, class, wide) in [
            (Mark::Left, "m-left", 1.6),
            (Mark::Done, "m-done", 2.0),
            (Mark::Crashed, "m-crash", 2.5),
            (Mark::Banned, "m-ban", 2.5),
        ] {
            let mut boxes = Boxes::default();
            for (host, marks) in self.watched.marks().iter().enumerate() {
                let y = self.y(host / self.group);
                for (at, _) in marks.iter().filter(|(_, of)| *of == mark) {
                    boxes.add((self.x(*at) - wide / 2.0, y), (wide, high));
                }
            }
            self.canvas.path(&boxes.0, class);
        }
    }

    /// For each row what came, by whence it came, and what was given.
    fn sides(&mut self) {
        let mut rows = vec![[0_u64; 3]; self.rows];
        for (host, row) in self.watched.rows().iter().enumerate() {
            let sums = &mut rows[host / self.group];
            sums[0] += row.iter().map(|bin| bin.from_senders).sum::<u64>();
            sums[1] += row.iter().map(|bin| bin.from_receivers).sum::<u64>();
        }
        for ((from, _), bytes) in self.watched.given() {
            rows[usize::from(*from) / self.group][2] += bytes;
        }
        let most = |of: fn(&[u64; 3]) -> u64| rows.iter().map(of).max().unwrap_or(0).max(1) as f64;
        let (came, gave) = (most(|row| row[0] + row[1]), most(|row| row[2]));
        let (mut seeders, mut others, mut given) = (Boxes::default(), Boxes::default(), Boxes::default());
        let (high, wide) = (self.high(), CAME.1 - CAME.0);
        for (number, [first, second, third]) in rows.iter().enumerate() {
            let y = self.y(number);
            let (near, far) = (wide * *first as f64 / came, wide * *second as f64 / came);
            seeders.add((CAME.0, y), (near, high));
            others.add((CAME.0 + near, y), (far, high));
            given.add((GAVE.0, y), ((GAVE.1 - GAVE.0) * *third as f64 / gave, high));
        }
        self.canvas.path(&seeders.0, "from-seeders");
        self.canvas.path(&others.0, "from-others");
        self.canvas.path(&given.0, "level");
        let y = self.y(self.rows) + 18.0;
        self.canvas.text((CAME.1, y), "small end", size(came));
        self.canvas.text((GAVE.1, y), "small end", size(gave));
    }

    /// Who gave whom how much.
    fn table(&mut self, top: f64) {
        let hosts = self.watched.rows().len();
        let group = hosts.div_ceil(GROUPS_MAX).max(1);
        let groups = hosts.div_ceil(group);
        let mut sums = vec![vec![0_u64; groups]; groups];
        for ((from, to), bytes) in self.watched.given() {
            sums[usize::from(*from) / group][usize::from(*to) / group] += bytes;
        }
        let most = sums.iter().flatten().copied().max().unwrap_or(0).max(1) as f64;
        let cell = ((TABLE - 70.0) / groups as f64).min(24.0);
        let (left, top) = (LEFT, top + 44.0);
        self.canvas.text((left, top - 24.0), "heading", "Who gave whom how much");
        let of = if group == 1 { String::new() } else { format!(", {group} peers each") };
        self.canvas.text(
            (left, top - 8.0),
            "small",
            format!("a row for each giver, a column for each taker{of}"),
        );
        let mut boxes: [Boxes; DOWN] = Default::default();
        for (row, sums) in sums.iter().enumerate() {
            for (column, bytes) in sums.iter().enumerate() {
                // Nothing is another colour than little.
                let level = if *bytes == 0 { 0 } else { (10.0 * *bytes as f64 / most).ceil() as usize };
                let at = (left + column as f64 * cell, top + row as f64 * cell);
                boxes[level.min(10)].add(at, (cell, cell));
            }
        }
        for (level, boxes) in boxes.iter().enumerate() {
            self.canvas.path(&boxes.0, &format!("p{level}"));
        }
        self.sums(left + groups as f64 * cell + 40.0, top + 12.0, most);
    }

    /// What the table says, in words.
    fn sums(&mut self, x: f64, y: f64, most: f64) {
        let senders = self.plan.scenario.senders;
        let all: u64 = self.watched.given().values().sum();
        let from_seeders = self.watched.given().iter().filter(|((from, _), _)| *from < senders);
        let from_seeders: u64 = from_seeders.map(|(_, bytes)| bytes).sum();
        let givers: std::collections::BTreeSet<u16> =
            self.watched.given().keys().map(|(from, _)| *from).filter(|from| *from >= senders).collect();
        let part = |of: u64| 100.0 * of as f64 / all.max(1) as f64;
        let lines = [
            format!("{} were given in all, {} at most between two fields", size(all as f64), size(most)),
            format!("{} of them by seeders: {:.1} %", size(from_seeders as f64), part(from_seeders)),
            format!("{:.1} copies of the share left the seeders", self.copies(from_seeders)),
            format!("{} of {} receivers gave something", givers.len(), self.plan.scenario.receivers),
        ];
        for (row, line) in lines.into_iter().enumerate() {
            self.canvas.text((x, y + 20.0 * row as f64), "muted", line);
        }
    }

    fn copies(&self, bytes: u64) -> f64 {
        bytes as f64 / self.plan.scenario.size().max(1) as f64
    }
}

/// Bytes for people.
fn size(bytes: f64) -> String {
    match bytes {
        _ if bytes >= f64::from(1 << 30) => format!("{:.1} GiB", bytes / f64::from(1 << 30)),
        _ if bytes >= f64::from(1 << 20) => format!("{:.1} MiB", bytes / f64::from(1 << 20)),
        _ if bytes >= 1024.0 => format!("{:.1} KiB", bytes / 1024.0),
        _ => format!("{bytes:.0} bytes"),
    }
}
