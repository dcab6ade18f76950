#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| opendiskmap_rigs::fuzz::image::run(data));
