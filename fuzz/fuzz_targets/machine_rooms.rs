#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| truecopy_protocol::fuzzing::machine_rooms(data));
