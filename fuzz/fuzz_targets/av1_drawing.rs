#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| av1::oracle::drawing(bytes, |_| None));
