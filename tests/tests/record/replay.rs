use std::time::Duration;

use truecopy_protocol::input::Input;
use truecopy_protocol::job::JobResult;
use truecopy_protocol::output::Event;
use truecopy_protocol::{AccessSecret, Config, ConnId, Hash, Node, Now, UnixTime};
use truecopy_transport::record::{
    Ending, Entry, Note, OutputKind, Reader, RecordedCommand, RecordedInput, Report, Run, Secret, Tap,
    Writer, replay,
};

use crate::world::{MARKER, SECRET, Sink, World, record, transfer};

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

fn same(recording: &[u8]) -> Report {
    let report = replay(recording).unwrap();
    assert_eq!(report.divergence, None, "{report}");
    report
}

/// A recording with some of its entries changed.
fn edited(recording: &[u8], mut edit: impl FnMut(u64, &mut Entry<'_>)) -> Vec<u8> {
    let (start, mut reader) = Reader::open(recording).unwrap();
    let sink = Sink::default();
    let mut writer = Writer::new(sink.clone(), &start).unwrap();
    let mut index = 0;
    while let Some(mut entry) = reader.next().unwrap() {
        edit(index, &mut entry);
        index += u64::from(matches!(entry, Entry::Input { .. }));
        writer.entry(&entry).unwrap();
    }
    writer.flush().unwrap();
    sink.bytes()
}

#[test]
fn a_replayed_transfer_is_the_same_on_both_sides() {
    for piece in [16 * 1024, 1000, 7777] {
        for recording in transfer(piece) {
            let report = same(&recording);
            assert!(matches!(report.ending, Some(Ending::Finished)));
            assert!(report.inputs > 50);
        }
    }
}

#[test]
fn proofs_cut_into_single_bytes_are_replayed_too() {
    let sinks = [Sink::default(), Sink::default()];
    let recordings = [record(&sinks[0], 1), record(&sinks[1], 2)];
    let mut world = World::new(&recordings, 1, SECRET);
    world.run(|event| matches!(event, Event::Offer { .. }));
    world.finish();
    for sink in sinks {
        same(&sink.bytes());
    }
}

#[test]
fn a_wrong_proof_stays_wrong_in_the_replay() {
    let sinks = [Sink::default(), Sink::default()];
    let recordings = [record(&sinks[0], 1), record(&sinks[1], 2)];
    let mut world = World::new(&recordings, 16 * 1024, AccessSecret([9; 32]));
    world.run(|event| matches!(event, Event::Waiting { .. } | Event::Failed { .. }));
    world.run(|event| matches!(event, Event::Failed { .. }));
    world.finish();
    for sink in sinks {
        same(&sink.bytes());
    }
}

#[test]
fn a_recording_holds_no_file_bytes_and_no_secret() {
    for recording in transfer(5000) {
        assert!(!contains(&recording, MARKER));
        assert!(!contains(&recording, &SECRET.0));
        // The manifest is there: it is what makes the run a value.
        assert!(contains(&recording, b"a/big"));
        let secrets = |entry: &Entry<'_>| match entry {
            Entry::Input { input: RecordedInput::Command(RecordedCommand::Share { secret, .. }), .. }
            | Entry::Input { input: RecordedInput::Command(RecordedCommand::Fetch { secret, .. }), .. } => {
                Some(*secret)
            }
            _ => None,
        };
        edited(&recording, |_, entry| {
            if let Some(secret) = secrets(entry) {
                assert_eq!(secret, Secret::Hidden(0));
            }
        });
    }
}

#[test]
fn a_changed_job_result_is_found_where_it_is() {
    let [_, receiver] = transfer(16 * 1024);
    let mut changed = None;
    let bad = edited(&receiver, |index, entry| {
        if let Entry::Input { input: RecordedInput::Done { result, .. }, .. } = entry
            && let JobResult::Land(Ok(hashes)) = result.to_mut()
            && changed.is_none()
        {
            changed = Some(index);
            hashes.fill(Hash([1; 32]));
        }
    });
    let divergence = replay(&bad[..]).unwrap().divergence.unwrap();
    assert_eq!(Some(divergence.index), changed);
    assert!(divergence.input.starts_with("Done"), "{divergence:?}");
}

#[test]
fn changed_control_bytes_are_found_where_they_are() {
    let [sender, _] = transfer(16 * 1024);
    let mut changed = None;
    let bad = edited(&sender, |index, entry| {
        if let Entry::Input { input: RecordedInput::Received { runs, .. }, .. } = entry
            && index > 20
            && changed.is_none()
            && let Some(Run::Bytes(bytes)) = runs.first_mut()
        {
            changed = Some(index);
            *bytes = &[0xff; 6];
        }
    });
    let divergence = replay(&bad[..]).unwrap().divergence.unwrap();
    assert_eq!(Some(divergence.index), changed);
    assert!(
        divergence.replayed.contains("Misbehaved") || divergence.replayed.contains("Hangup"),
        "{divergence:?}"
    );
}

#[test]
fn something_else_sent_is_found() {
    let [sender, _] = transfer(16 * 1024);
    let mut changed = None;
    let bad = edited(&sender, |index, entry| {
        if let Entry::Input { input: RecordedInput::Sent { control: Some(control), .. }, .. } = entry
            && index > 10
            && changed.is_none()
        {
            changed = Some(index);
            *control ^= 1;
        }
    });
    let divergence = replay(&bad[..]).unwrap().divergence.unwrap();
    assert_eq!(Some(divergence.index), changed);
}

#[test]
fn an_output_too_many_is_found_and_named() {
    let [_, receiver] = transfer(16 * 1024);
    let mut done = false;
    let bad = edited(&receiver, |_, entry| {
        if let Entry::Outputs(notes) = entry
            && !done
        {
            done = true;
            notes.push(Note { kind: OutputKind::Event, digest: 1, text: "one more" });
        }
    });
    let divergence = replay(&bad[..]).unwrap().divergence.unwrap();
    assert_eq!((divergence.recorded.as_str(), divergence.replayed.as_str()), ("one more", "nothing more"));
}

#[test]
fn a_killed_program_leaves_a_recording_that_can_be_replayed() {
    let [_, receiver] = transfer(16 * 1024);
    let whole = same(&receiver).inputs;
    let report = same(&receiver[..receiver.len() / 2]);
    assert!(report.inputs > 10 && report.inputs < whole);
    assert!(matches!(report.ending, Some(Ending::Torn(_) | Ending::Unfinished)));
}

#[test]
fn decisions_are_written_out_at_once_and_bytes_every_so_often() {
    let sink = Sink::default();
    let recording = record(&sink, 1);
    let node = Node::new(Config::default(), [1; 32], Now::ZERO);
    let mut recorder = recording.recorder();
    let mut grows = |millis, input: Input<'_>| {
        let before = sink.bytes().len();
        recorder.input(Now::ZERO + Duration::from_millis(millis), &input, &node);
        sink.bytes().len() > before
    };
    let bytes = || Input::Received { conn: ConnId(1), bytes: &[7; 100] };
    assert!(grows(1, Input::Clock(UnixTime(5))));
    assert!(!grows(2, bytes()));
    assert!(grows(3, Input::Clock(UnixTime(6))));
    assert!(!grows(102, bytes()));
    assert!(grows(103, bytes()));
    assert!(!grows(104, bytes()));
}
