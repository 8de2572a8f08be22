// SPDX-License-Identifier: GPL-2.0

//! The indices of the virtqueues of a device (virtio spec §5.1.2).

/// Index of a receive queue on the device.
pub(crate) const fn rx_index(pair: usize) -> usize {
    pair * 2
}

/// Index of a transmit queue on the device.
pub(crate) const fn tx_index(pair: usize) -> usize {
    pair * 2 + 1
}

/// Index of the control queue on a device with this many pairs.
pub(crate) const fn control_index(max_pairs: usize) -> usize {
    max_pairs * 2
}

/// Returns the pair of a queue, and whether the queue transmits, by its index on the device.
pub(crate) const fn pair_of(index: usize) -> (usize, bool) {
    (index / 2, index % 2 != 0)
}

#[cfg(CONFIG_RUST_VIRTIO_KUNIT_TEST)]
#[kernel::prelude::kunit_tests(rust_virtio_net_queue_index)]
mod tests {
    use super::*;

    #[test]
    fn indices() {
        for pair in 0..10 {
            assert_eq!(pair_of(rx_index(pair)), (pair, false));
            assert_eq!(pair_of(tx_index(pair)), (pair, true));
        }
    }
}
