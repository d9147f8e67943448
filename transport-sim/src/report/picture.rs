//! A run as a picture: a lane for each host, time to the right, faults as bands, bytes as bars, the alarm.

use super::canvas::Canvas;
use super::words;
use crate::plan::Plan;
use crate::world::{Answer, Run, Verdict, What};

const WIDTH: f64 = 1200.0;
const LEFT: f64 = 150.0;
const RIGHT: f64 = 1160.0;
const TOP: f64 = 150.0;
const LANE: f64 = 74.0;
const BINS: usize = 200;
const MS: u64 = 1_000_000;

/// Lanes that are drawn; the others are counted.
const LANES_MAX: usize = 40;

/// The picture of a run. Keep all of its trace, or only its end is shown.
pub fn picture(plan: &Plan, run: &Run) -> String {
    let lanes = plan.scenario.hosts().min(LANES_MAX);
    let first = run.trace.records().next().map_or(0, |record| record.at);
    let last = run.trace.records().next_back().map_or(1, |record| record.at).max(first + 1);
    let bottom = TOP + lanes as f64 * LANE;
    let list = plan.faults.len().min(30);
    let mut picture = Picture {
        canvas: Canvas::new(WIDTH, bottom + 80.0 + 18.0 * list as f64),
        plan,
        run,
        lanes,
        span: (first, last),
    };
    picture.head();
    picture.axis(bottom);
    for host in 0..lanes {
        picture.lane(host);
    }
    picture.alarm(bottom);
    picture.faults(bottom + 52.0, list);
    picture.canvas.finish()
}

/// The next larger of 1, 2 and 5 times a power of ten.
pub(super) fn step(least: u64) -> u64 {
    let power = 10_u64.pow(least.max(1).ilog10());
    [1, 2, 5, 10].map(|times| times * power).into_iter().find(|step| *step >= least).unwrap_or(power)
}

struct Picture<'a> {
    canvas: Canvas,
    plan: &'a Plan,
    run: &'a Run,
    lanes: usize,
    /// From when to when, in nanoseconds.
    span: (u64, u64),
}

impl Picture<'_> {
    fn x(&self, at: u64) -> f64 {
        let (first, last) = self.span;
        let part = at.clamp(first, last) - first;
        LEFT + (RIGHT - LEFT) * part as f64 / (last - first) as f64
    }

    fn head(&mut self) {
        self.canvas.text((40.0, 38.0), "title", "A simulated run");
        let about: String = self.plan.about.chars().take(150).collect();
        self.canvas.text((40.0, 60.0), "strong", about);
        let stats = &self.run.stats;
        let scenario = &self.plan.scenario;
        let text = format!(
            "{} senders, {} receivers, {} bytes over {:?}, seed {:016x}: {} events in {:.3} simulated seconds, {} connections, {} receivers done",
            scenario.senders,
            scenario.receivers,
            scenario.size(),
            self.plan.channel,
            self.plan.seed,
            stats.events,
            stats.nanos as f64 / 1e9,
            stats.connections,
            stats.completed
        );
        self.canvas.text((40.0, 78.0), "muted", text);
        let (class, text) = match &self.run.verdict {
            Verdict::Pass => ("strong good-text", "passed: everything that was demanded was done".into()),
            Verdict::Stopped => ("strong muted", "stopped before its end".into()),
            Verdict::Fail(found) => ("strong bad-text", found.to_string()),
        };
        self.canvas.text((40.0, 100.0), class, text.chars().take(150).collect::<String>());
        for (x, class, text) in [
            (40.0, "good", "bytes received"),
            (170.0, "level", "bytes sent"),
            (270.0, "shade", "a fault holds"),
            (385.0, "warn", "a disk job failed, or a connection was lost"),
        ] {
            self.canvas.rect((x, 116.0), (12.0, 12.0), class);
            self.canvas.text((x + 18.0, 126.0), "small", text);
        }
        self.canvas.dot((674.0, 122.0), 5.0, "good");
        self.canvas.text((686.0, 126.0), "small", "everything is placed");
    }

    fn axis(&mut self, bottom: f64) {
        let (first, last) = self.span;
        let step = step((last - first) / 10);
        for at in (first.div_ceil(step)..=last / step).map(|tick| tick * step) {
            let x = self.x(at);
            self.canvas.line((x, TOP - 6.0), (x, bottom), "grid");
            // As many places as the step has.
            self.canvas.text((x, bottom + 16.0), "small middle", format!("{} s", at as f64 / 1e9));
        }
    }

    fn lane(&mut self, host: usize) {
        let y = TOP + host as f64 * LANE;
        let part = if host < usize::from(self.plan.scenario.senders) { "sender" } else { "receiver" };
        self.canvas.text((40.0, y + 30.0), "strong", format!("host {host}"));
        self.canvas.text((40.0, y + 46.0), "small", part);
        // Names would lie over each other: only a band that is wide enough says what it is.
        let mut free = LEFT;
        for fault in &self.plan.faults {
            let concerns = fault.hosts().any(|of| of == host) || fault.name() == "swizzle";
            if let (true, Some((from, to))) = (concerns, words::window(fault)) {
                let (left, right) = (self.x(from * MS), self.x(to.saturating_mul(MS)));
                if from * MS <= self.span.1 && to.saturating_mul(MS) >= self.span.0 {
                    self.canvas.rect((left, y + 2.0), ((right - left).max(2.0), LANE - 6.0), "shade");
                    let room = 8.0 + 7.0 * fault.name().len() as f64;
                    if left >= free && right - left >= room {
                        self.canvas.text((left + 3.0, y + 13.0), "small bad-text", fault.name());
                        free = left + room;
                    }
                }
            }
        }
        self.bytes(host, y);
        self.marks(host, y);
        self.canvas.line((LEFT, y + LANE - 4.0), (RIGHT, y + LANE - 4.0), "axis");
    }

    /// Bars of the bytes that the core took in and gave out.
    fn bytes(&mut self, host: usize, y: f64) {
        let (mut got, mut sent) = (vec![0_u64; BINS + 1], vec![0_u64; BINS + 1]);
        let (first, last) = self.span;
        for record in self.run.trace.records().filter(|record| record.host == Some(host as u16)) {
            let bin = ((record.at - first) as u128 * BINS as u128 / u128::from(last - first)) as usize;
            match record.what {
                What::Received(_, len) => got[bin] += u64::from(len),
                What::Sent(_, len) => sent[bin] += u64::from(len),
                _ => {}
            }
        }
        let most = got.iter().chain(&sent).copied().max().unwrap_or(1).max(1) as f64;
        let (step, room) = ((RIGHT - LEFT) / BINS as f64, LANE - 26.0);
        for (bins, class, shift) in [(&sent, "level", 0.5), (&got, "good", 0.0)] {
            for (bin, bytes) in bins.iter().enumerate().filter(|(_, bytes)| **bytes > 0) {
                let height = (room * *bytes as f64 / most).max(1.5);
                let x = LEFT + (bin as f64 + shift) * step;
                self.canvas.rect((x, y + LANE - 4.0 - height), (step * 0.48, height), class);
            }
        }
    }

    /// Failed jobs, lost connections, the end.
    fn marks(&mut self, host: usize, y: f64) {
        let records = self.run.trace.records().filter(|record| record.host == Some(host as u16));
        let marks: Vec<(u64, Option<&str>)> = records
            .filter_map(|record| match &record.what {
                What::Done(_, Answer::Failed) => Some((record.at, None)),
                What::Said(text) if text.starts_with("disconnected") => Some((record.at, None)),
                What::Said(text) if text.starts_with("event Completed") => Some((record.at, Some("done"))),
                _ => None,
            })
            .collect();
        for (at, done) in marks {
            let x = self.x(at);
            match done {
                Some(_) => self.canvas.dot((x, y + 12.0), 5.0, "good"),
                None => self.canvas.rect((x - 1.0, y + LANE - 14.0), (2.0, 10.0), "warn"),
            }
        }
    }

    fn alarm(&mut self, bottom: f64) {
        let Some(found) = self.run.violation() else { return };
        let x = self.x(found.at);
        self.canvas.line((x, TOP - 10.0), (x, bottom), "bad-line");
        if let Some(host) = found.host.map(usize::from).filter(|host| *host < self.lanes) {
            self.canvas.dot((x, TOP + host as f64 * LANE + LANE / 2.0), 8.0, "bad");
        }
        self.canvas.text((x - 6.0, TOP - 12.0), "strong end bad-text", found.oracle);
    }

    fn faults(&mut self, top: f64, count: usize) {
        for (row, fault) in self.plan.faults.iter().take(count).enumerate() {
            let when =
                words::window(fault).map_or_else(String::new, |(from, to)| format!("{from}..{to} ms: "));
            let text: String = format!("{when}{}", words::fault(fault)).chars().take(170).collect();
            self.canvas.text((40.0, top + 18.0 * row as f64), "small", text);
        }
    }
}
