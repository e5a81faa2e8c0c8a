#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| protocol::oracle::control_stream(bytes));
