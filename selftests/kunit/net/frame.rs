// SPDX-License-Identifier: GPL-2.0

//! Frames for the tests.

use super::MAC;
use kernel::{
    alloc::KVec,
    prelude::*, //
};

/// An Ethernet type that nothing in the kernel uses: "local experimental".
pub(super) const ETHER_TYPE: u16 = 0x88b5;

/// The address of the other side.
const PEER: [u8; 6] = [0x02, 0, 0, 0, 0, 1];

/// A frame of `len` bytes from `from` to `to` whose payload depends on `seed`.
fn frame(to: [u8; 6], from: [u8; 6], seed: u8, len: usize) -> Result<KVec<u8>> {
    let mut bytes = KVec::with_capacity(len, GFP_KERNEL)?;
    bytes.extend_from_slice(&to, GFP_KERNEL)?;
    bytes.extend_from_slice(&from, GFP_KERNEL)?;
    bytes.extend_from_slice(&ETHER_TYPE.to_be_bytes(), GFP_KERNEL)?;
    for i in bytes.len()..len {
        bytes.push(seed.wrapping_add((i % 251) as u8), GFP_KERNEL)?;
    }
    Ok(bytes)
}

/// A frame that the card receives.
pub(super) fn to_us(seed: u8, len: usize) -> Result<KVec<u8>> {
    frame(MAC, PEER, seed, len)
}

/// A frame that the stack sends.
pub(super) fn from_us(seed: u8, len: usize) -> Result<KVec<u8>> {
    frame(PEER, MAC, seed, len)
}

/// The offset at which TCP starts in [`tcp`].
pub(super) const TCP_START: u16 = 34;
/// The offset of its checksum from there.
pub(super) const TCP_CSUM: u16 = 16;

/// A TCP segment over IPv4 that the card receives: the `payload` bytes from `sequence` on of a
/// stream. The checksum of TCP is not filled in.
pub(super) fn tcp_to_us(sequence: u32, payload: usize) -> Result<KVec<u8>> {
    let mut bytes = tcp(payload)?;
    bytes[..6].copy_from_slice(&MAC);
    bytes[6..12].copy_from_slice(&PEER);
    bytes[38..42].copy_from_slice(&sequence.to_be_bytes());
    let mut sum = 0u32;
    for at in (14..34).step_by(2) {
        sum += u32::from(u16::from_be_bytes([bytes[at], bytes[at + 1]]));
    }
    sum = (sum & 0xffff) + (sum >> 16);
    // CAST: The sum of ten words has one carry.
    bytes[24..26].copy_from_slice(&(!(sum as u16)).to_be_bytes());
    for (i, byte) in bytes[54..].iter_mut().enumerate() {
        *byte = (sequence as usize + i) as u8;
    }
    Ok(bytes)
}

/// A TCP segment over IPv4 with `payload` bytes, checksums not filled in.
pub(super) fn tcp(payload: usize) -> Result<KVec<u8>> {
    let mut bytes = KVec::new();
    bytes.extend_from_slice(&PEER, GFP_KERNEL)?;
    bytes.extend_from_slice(&MAC, GFP_KERNEL)?;
    bytes.extend_from_slice(&[0x08, 0x00], GFP_KERNEL)?;
    let total = ((20 + 20 + payload) as u16).to_be_bytes();
    bytes.extend_from_slice(
        &[
            0x45, 0, total[0], total[1], 0, 1, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2,
        ],
        GFP_KERNEL,
    )?;
    bytes.extend_from_slice(
        &[
            0x30, 0x39, 0, 80, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x10, 0xff, 0xff, 0, 0, 0, 0,
        ],
        GFP_KERNEL,
    )?;
    for i in 0..payload {
        bytes.push(i as u8, GFP_KERNEL)?;
    }
    Ok(bytes)
}
