// SPDX-License-Identifier: GPL-2.0

//! The average length of received packets, and the length of receive buffers computed from it.

/// An exponentially weighted moving average.
///
/// The whole ring may be refilled at once, so the average must not follow short bursts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ewma(u32);

impl Ewma {
    /// Returns the state for an average that [`Ewma::get`] returned. 0 means that there was no
    /// value.
    pub(crate) const fn of(average: u32) -> Self {
        Self(average)
    }

    /// The weight of a new value is one in `1 << WEIGHT_SHIFT`.
    const WEIGHT_SHIFT: u32 = 6;

    /// Adds a value. The first value is the average.
    pub(crate) fn add(&mut self, value: u32) {
        self.0 = if self.0 == 0 {
            value
        } else {
            let old = u64::from(self.0);
            let new = (old << Self::WEIGHT_SHIFT) - old + u64::from(value);
            (new >> Self::WEIGHT_SHIFT) as u32
        };
    }

    /// Returns the average, or 0 if there was no value.
    pub(crate) fn get(&self) -> u32 {
        self.0
    }
}

/// Returns `len`, rounded up to cache lines.
const fn align(len: u32, line: u32) -> u32 {
    len.next_multiple_of(line)
}

/// Returns the length of a mergeable buffer, header included, for packets of an average length.
///
/// The length is at least `min`, and at most a page. With the padding before the buffer it is a
/// multiple of a cache line of `line` bytes, because the memory of a buffer has whole cache lines:
/// a byte more would take another line.
pub(crate) fn buffer_len(
    (header, padding): (u32, u32),
    average: u32,
    min: u32,
    page: u32,
    line: u32,
) -> u32 {
    let most = page - header;
    let len = header + average.clamp(min.min(most), most);
    (align(padding + len, line) - padding).min(page)
}

/// Returns the smallest length of a mergeable buffer, header not included: a full ring holds the
/// largest packet, and one buffer a usual packet.
pub(crate) fn min_buffer_len(header: u32, largest: u32, ring: u32, usual: u32) -> u32 {
    (header + largest)
        .div_ceil(ring.max(1))
        .saturating_sub(header)
        .max(usual)
}

#[cfg(CONFIG_RUST_VIRTIO_KUNIT_TEST)]
#[kernel::prelude::kunit_tests(rust_virtio_net_ewma)]
mod tests {
    use super::*;

    #[test]
    fn first_value_is_the_average() {
        let mut e = Ewma::of(0);
        assert_eq!(e.get(), 0);
        e.add(1500);
        assert_eq!(e.get(), 1500);
    }

    #[test]
    fn converges_slowly() {
        let mut e = Ewma::of(0);
        e.add(64);
        e.add(64_000);
        assert_eq!(e.get(), (64 * 63 + 64_000) / 64);
        for _ in 0..1000 {
            e.add(64_000);
        }
        assert!(e.get() > 63_000);
        e.add(u32::MAX);
        assert!(e.get() < u32::MAX);
    }

    #[test]
    fn buffers_are_cache_lines() {
        assert_eq!(buffer_len((12, 0), 0, 1518, 4096, 64), 1536);
        assert_eq!(buffer_len((12, 0), 60_000, 1518, 4096, 64), 4096);
        assert_eq!(buffer_len((12, 0), 2000, 1518, 4096, 64), 2048);
        assert_eq!(buffer_len((12, 0), 0, 9000, 4096, 64), 4096);
    }

    /// The padding before a buffer is part of its cache lines.
    #[test]
    fn padding_takes_no_cache_line() {
        assert_eq!(buffer_len((12, 2), 0, 1518, 4096, 64), 1534);
        assert_eq!(buffer_len((12, 2), 0, 1522, 4096, 64), 1534);
        assert_eq!(buffer_len((12, 2), 0, 1523, 4096, 64), 1598);
        assert_eq!(buffer_len((12, 2), 60_000, 1518, 4096, 64), 4096);
        assert_eq!(buffer_len((12, 2), 4082, 1518, 4096, 64), 4094);
        assert_eq!(buffer_len((12, 2), 4083, 1518, 4096, 64), 4096);
    }

    #[test]
    fn smallest_buffers() {
        assert_eq!(min_buffer_len(12, 1518, 256, 1518), 1518);
        assert_eq!(min_buffer_len(12, 65_553, 16, 1518), 4086);
        assert_eq!(min_buffer_len(12, 65_553, 0, 1518), 65_553);
    }
}
