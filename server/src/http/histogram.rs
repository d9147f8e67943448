//! How long things took, in buckets, as Prometheus has it.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper ends of the buckets, in microseconds, and as they are written in seconds.
const BOUNDS: [(u64, &str); 15] = [
    (50, "0.00005"),
    (100, "0.0001"),
    (250, "0.00025"),
    (500, "0.0005"),
    (1_000, "0.001"),
    (2_500, "0.0025"),
    (5_000, "0.005"),
    (10_000, "0.01"),
    (25_000, "0.025"),
    (50_000, "0.05"),
    (100_000, "0.1"),
    (250_000, "0.25"),
    (500_000, "0.5"),
    (1_000_000, "1"),
    (5_000_000, "5"),
];

/// Counts of durations.
#[derive(Debug, Default)]
pub(super) struct Histogram {
    /// The last one has no upper end.
    buckets: [AtomicU64; BOUNDS.len() + 1],
    micros: AtomicU64,
}

impl Histogram {
    /// Counts one.
    pub(super) fn add(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS.iter().position(|(bound, _)| micros <= *bound).unwrap_or(BOUNDS.len());
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.micros.fetch_add(micros, Ordering::Relaxed);
    }

    /// Writes the samples, with these labels; nothing as long as nothing was counted.
    pub(super) fn render(&self, text: &mut String, name: &str, labels: &str) {
        let counts: Vec<u64> = self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed)).collect();
        if counts.iter().all(|count| *count == 0) {
            return;
        }
        let mut sum = 0;
        // Writing to a string does not fail.
        for (count, (_, bound)) in counts.iter().zip(BOUNDS.iter().chain([&(0, "+Inf")])) {
            sum += count;
            let _ = writeln!(text, "{name}_bucket{{{labels},le=\"{bound}\"}} {sum}");
        }
        let micros = self.micros.load(Ordering::Relaxed);
        let _ = writeln!(text, "{name}_sum{{{labels}}} {}.{:06}", micros / 1_000_000, micros % 1_000_000);
        let _ = writeln!(text, "{name}_count{{{labels}}} {sum}");
    }
}

/// Writes what stands before the samples of one name.
pub(super) fn head(text: &mut String, name: &str, help: &str) {
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} histogram");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_duration_is_in_its_bucket_and_in_all_that_reach_further() {
        let histogram = Histogram::default();
        for micros in [0, 50, 51, 2_000_000, 60_000_000] {
            histogram.add(Duration::from_micros(micros));
        }
        let mut text = String::new();
        histogram.render(&mut text, "name", "path=\"/\"");
        for line in [
            "name_bucket{path=\"/\",le=\"0.00005\"} 2",
            "name_bucket{path=\"/\",le=\"0.0001\"} 3",
            "name_bucket{path=\"/\",le=\"1\"} 3",
            "name_bucket{path=\"/\",le=\"5\"} 4",
            "name_bucket{path=\"/\",le=\"+Inf\"} 5",
            "name_sum{path=\"/\"} 62.000101",
            "name_count{path=\"/\"} 5",
        ] {
            assert!(text.lines().any(|known| known == line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn bounds_are_written_as_they_are_meant() {
        for (micros, text) in BOUNDS {
            let seconds: f64 = text.parse().unwrap();
            assert_eq!((seconds * 1e6).round() as u64, micros);
        }
    }
}
