#![no_main]

// A node that panics in a replay is caught there; the fuzzer's own hook would end everything first.
libfuzzer_sys::fuzz_target!(
    init: std::panic::set_hook(Box::new(|panic| {
        if !panic.location().is_some_and(|at| at.file().contains("protocol/src/")) {
            eprintln!("{panic}");
        }
    })),
    |data: &[u8]| truecopy_transport::fuzzing::recording(data)
);
