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

/// Where TCP starts in [`tcp`].
pub(super) const TCP_START: u16 = 34;
/// Where its checksum is from there.
pub(super) const TCP_CSUM: u16 = 16;

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
