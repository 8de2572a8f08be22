// SPDX-License-Identifier: GPL-2.0

//! Sizes in human-readable form.

use crate::bindings;
use kernel::{
    fmt,
    prelude::*, //
};

/// A size as text: up to three digits and a unit, such as `10.7 GB`.
pub struct HumanSize {
    text: [u8; Self::LEN],
}

/// The base of the units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Units {
    /// Powers of 1000: kB, MB, GB...
    Decimal,
    /// Powers of 1024: KiB, MiB, GiB...
    Binary,
}

impl HumanSize {
    /// Bytes of the buffer: more than the longest text of `string_get_size()`.
    const LEN: usize = 16;

    /// Returns the size of `blocks` blocks of `block_size` bytes.
    pub fn new(blocks: u64, block_size: u32, units: Units) -> Self {
        let mut size = Self {
            text: [0; Self::LEN],
        };
        let units = match units {
            Units::Decimal => bindings::string_size_units_STRING_UNITS_10,
            Units::Binary => bindings::string_size_units_STRING_UNITS_2,
        };
        // SAFETY: `text` has that many writable bytes.
        unsafe {
            bindings::string_get_size(
                blocks,
                block_size.into(),
                units,
                size.text.as_mut_ptr().cast(),
                Self::LEN as c_int,
            )
        };
        size
    }
}

impl fmt::Display for HumanSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = CStr::from_bytes_until_nul(&self.text).unwrap_or_default();
        fmt::Display::fmt(text, f)
    }
}
