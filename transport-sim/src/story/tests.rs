use super::*;

const SEEDS: std::ops::Range<u64> = 0..20;

fn len(ranges: &[std::ops::Range<u64>]) -> u64 {
    ranges.iter().map(|range| range.end - range.start).sum()
}

#[test]
fn the_naive_pump_is_right_on_a_good_network() {
    let run = Story::tell(1).unwrap().calm;
    assert_eq!((run.right, run.wrong, run.short_writes().count()), (SIZE as u64, 0, 0));
    assert_eq!((run.raised, run.sender_errors), (None, 0));
}

#[test]
fn the_naive_pump_loses_bytes_on_an_unstable_network_without_an_error() {
    for seed in SEEDS {
        let run = Story::tell(seed).unwrap().unstable;
        assert_eq!((run.raised, run.sender_errors), (None, 0), "seed {seed}");
        assert!(run.untaken() > 0, "seed {seed} has no short write");
        assert_eq!(run.right + run.wrong + run.untaken(), SIZE as u64, "seed {seed}");
        // A lost byte may be like the one that stands in its place: then the gap seems to lie a little later.
        assert_eq!(len(&run.missing), run.untaken(), "seed {seed}");
        assert_eq!(run.counts.short_writes, run.short_writes().count() as u64, "seed {seed}");
    }
}

#[test]
fn a_read_taken_for_a_message_puts_bytes_in_wrong_places_without_an_error() {
    for seed in SEEDS {
        let run = Story::tell(seed).unwrap().messages;
        assert_eq!((run.raised, run.sender_errors), (None, 0), "seed {seed}");
        assert!(run.wrong > 0 && run.right + run.wrong == SIZE as u64, "seed {seed}");
    }
}

#[test]
fn every_layer_notices_and_hashes_and_tls_pass_nothing_wrong_on() {
    for seed in SEEDS {
        let story = Story::tell(seed).unwrap();
        for layer in &story.layers {
            assert!(layer.run.raised.is_some(), "seed {seed}: {} noticed nothing", layer.name);
            let harmless = matches!(layer.name, "block hashes" | "TLS 1.3");
            assert!(!harmless || layer.run.wrong == 0, "seed {seed}: {} let bytes pass", layer.name);
        }
    }
}

#[test]
fn the_pump_of_truecopy_loses_nothing_on_the_same_stream() {
    for seed in SEEDS {
        let story = Story::tell(seed).unwrap();
        for run in [&story.pump, &story.truecopy] {
            assert!(run.short_writes().count() > 0, "seed {seed} has no short write");
            assert_eq!((run.right, run.wrong, run.raised), (SIZE as u64, 0, None), "seed {seed}");
            assert_eq!(run.missing, [], "seed {seed}");
        }
        assert_eq!(story.pump.carried[..20], story.unstable.carried[..20], "the same network");
    }
}

#[test]
fn a_story_is_told_the_same_way_twice_within_80_columns() {
    for seed in [0, 1, 2, 77, u64::MAX] {
        let story = Story::tell(seed).unwrap();
        let text = story.text();
        for line in text.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
        assert_eq!(text, Story::tell(seed).unwrap().text());
        let svg = story.svg();
        assert_eq!(svg, Story::tell(seed).unwrap().svg());
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n") && !svg.contains("NaN"));
    }
}
