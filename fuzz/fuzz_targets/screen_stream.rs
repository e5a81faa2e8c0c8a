#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| protocol::oracle::screen_stream(bytes));
