// SPDX-License-Identifier: GPL-2.0

//! Notification suppression by index (`VIRTIO_F_EVENT_IDX`; §2.7.7.2, §2.7.10, §2.8.10).

/// Returns whether a step from index `old` to `new` passes `event`: whether the new entries include
/// the one for which the other side requested a notification.
///
/// Indices wrap at 2^16.
#[inline(always)]
pub const fn need_event(event: u16, new: u16, old: u16) -> bool {
    new.wrapping_sub(event).wrapping_sub(1) < new.wrapping_sub(old)
}

/// As [`need_event`], for `added` new entries up to `new`. `added` may exceed 2^16: then the step
/// passes every event.
#[inline(always)]
pub(super) const fn passed_event(event: u16, new: u16, added: u64) -> bool {
    (new.wrapping_sub(event).wrapping_sub(1) as u64) < added
}

/// Returns the number of used buffers after which a delayed callback comes: three quarters of the
/// `outstanding` ones.
#[inline(always)]
pub(super) const fn delay_threshold(outstanding: u32) -> u32 {
    // OVERFLOW: At most 2^16 buffers are outstanding.
    outstanding.wrapping_mul(3) / 4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_is_one_of_the_new_entries() {
        for start in [0u16, 1, 100, 0x7fff, 0x8000, 0xfffe, 0xffff] {
            for step in [0u16, 1, 2, 7, 0x100, 0x7fff, 0x8000] {
                let new = start.wrapping_add(step);
                for event in [
                    start.wrapping_sub(1),
                    start,
                    start.wrapping_add(1),
                    new.wrapping_sub(1),
                    new,
                    new.wrapping_add(1),
                ] {
                    // The other side asked for entry number `event`: it is complete when the index
                    // is `event` + 1.
                    let mut wanted = false;
                    for i in 0..step {
                        wanted |= start.wrapping_add(i) == event;
                    }
                    assert_eq!(
                        need_event(event, new, start),
                        wanted,
                        "{event} {new} {start}"
                    );
                    assert_eq!(passed_event(event, new, step.into()), wanted);
                    assert!(passed_event(event, new, 0x10000 + u64::from(step)));
                }
            }
        }
    }

    #[test]
    fn three_quarters() {
        assert_eq!(delay_threshold(0), 0);
        assert_eq!(delay_threshold(1), 0);
        assert_eq!(delay_threshold(4), 3);
        assert_eq!(delay_threshold(32768), 24576);
    }
}
