// SPDX-License-Identifier: GPL-2.0

//! The header before a packet to transmit.

use netdev::skb::CONTROL_BUFFER;

/// Length of the longest header: that of the control buffer of a packet, which the driver may use
/// while it has the packet.
pub const MAX_HEADER: u32 = CONTROL_BUFFER as u32;

/// The mark of a packet that is not counted against the byte limit of its queue.
pub(super) const UNCOUNTED: usize = 1;
/// The mark of a frame of XDP, which is not counted either.
pub(super) const FRAME: usize = 2;
/// The mark of a packet of user space, which is not counted either.
pub(super) const XSK: usize = UNCOUNTED | FRAME;
/// The bits of marks. A packet without a mark is counted.
pub(super) const MARKS: usize = UNCOUNTED | FRAME;

/// Clears a header, without a call for the usual length.
///
/// # Safety
///
/// `to` is followed by `len` writable bytes.
#[inline]
pub(super) unsafe fn clear(to: *mut u8, len: usize) {
    // SAFETY: By the safety requirements, `to` is followed by `len` writable bytes.
    unsafe {
        if len == 12 {
            to.cast::<u64>().write_unaligned(0);
            to.add(8).cast::<u32>().write_unaligned(0);
        } else {
            to.write_bytes(0, len);
        }
    }
}

/// The layout of the header of packets to transmit.
///
/// PERF: One word, so that it is compared at once.
///
/// # Invariants
///
/// The length is at most [`MAX_HEADER`]. No bit is set but those of the constants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeaderLayout(u16);

impl HeaderLayout {
    /// The length.
    const LEN: u16 = 0x3f;
    /// The header may be in one descriptor with the packet.
    const INLINE: u16 = 0x100;

    /// The usual layout, of modern devices: with the number of buffers, in one descriptor with the
    /// packet.
    // INVARIANT: The length is less than `MAX_HEADER`.
    pub(super) const USUAL: Self = Self(12 | Self::INLINE);

    /// Returns the layout of a header of `len` bytes. `inline` says that the header may be in one
    /// descriptor with the packet (`VIRTIO_F_ANY_LAYOUT`, virtio spec §2.7.4.3).
    ///
    /// Returns none if `len` is more than [`MAX_HEADER`].
    pub const fn new(len: u32, inline: bool) -> Option<Self> {
        if len > MAX_HEADER {
            return None;
        }
        let inline = if inline { Self::INLINE } else { 0 };
        // CAST: At most `MAX_HEADER`, as compared above.
        // INVARIANT: At most `MAX_HEADER`, as compared above.
        Some(Self(len as u16 | inline))
    }

    /// Returns the length of the header.
    #[inline]
    pub(crate) const fn len(self) -> u8 {
        // CAST: At most `MAX_HEADER` (type invariant).
        (self.0 & Self::LEN) as u8
    }

    /// Whether the header may be in one descriptor with the packet.
    #[inline]
    pub(super) const fn is_inline(self) -> bool {
        self.0 & Self::INLINE != 0
    }
}

/// The length and the place of the header of a packet, and the mark of the packet.
///
/// PERF: One word, so that a packet is passed in two registers. The mark is that of the token, so
/// that a packet is made of its token, and a token of its packet, without a branch. That saves 14
/// instructions of a packet.
///
/// # Invariants
///
/// No bit is set but those of the constants.
#[derive(Clone, Copy)]
pub(super) struct HeaderInfo(u32);

impl HeaderInfo {
    /// The length of the header.
    const LEN: u32 = 0x3f;
    /// The header is in the headroom, directly before the data, and not in the control buffer.
    const IN_HEADROOM: u32 = 0x40;
    /// The first bit of the mark.
    const MARK_SHIFT: u32 = 7;

    /// Returns the information about a packet with a mark.
    #[inline]
    pub(super) const fn new(len: u8, in_headroom: bool, mark: usize) -> Self {
        const {
            assert!(MAX_HEADER <= Self::LEN);
        }
        // CAST: A mark has two bits.
        let mut bits = ((mark & MARKS) as u32) << Self::MARK_SHIFT | len as u32 & Self::LEN;
        if in_headroom {
            bits |= Self::IN_HEADROOM;
        }
        // INVARIANT: These are the bits of the constants.
        Self(bits)
    }

    /// Returns the mark.
    #[inline]
    pub(super) const fn mark(self) -> usize {
        (self.0 >> Self::MARK_SHIFT) as usize
    }

    /// Whether the packet is none of the stack.
    #[inline]
    pub(super) const fn is_foreign(self) -> bool {
        self.mark() & FRAME != 0
    }

    /// Whether the packet is one of user space.
    #[inline]
    pub(super) const fn is_xsk(self) -> bool {
        self.mark() == XSK
    }

    #[inline]
    pub(super) const fn header_len(self) -> u32 {
        self.0 & Self::LEN
    }

    #[inline]
    pub(super) const fn is_in_headroom(self) -> bool {
        self.0 & Self::IN_HEADROOM != 0
    }

    /// Whether the packet is counted against the byte limit of its queue.
    #[inline]
    pub(super) const fn is_counted(self) -> bool {
        self.mark() == 0
    }
}
