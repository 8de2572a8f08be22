// SPDX-License-Identifier: GPL-2.0

#![no_main]

#[path = "../hostile.rs"]
mod hostile;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    hostile::run(data);
});
