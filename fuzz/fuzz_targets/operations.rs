#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| opendiskmap_rigs::fuzz::operations::run(data));
