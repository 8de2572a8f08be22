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

/// Fills in the checksum of an IPv4 header of 20 bytes.
fn fill_ip_checksum(header: &mut [u8]) {
    header[10..12].fill(0);
    let mut sum = 0u32;
    for word in header.chunks_exact(2) {
        sum += u32::from(u16::from_be_bytes([word[0], word[1]]));
    }
    sum = (sum & 0xffff) + (sum >> 16);
    // CAST: The sum of ten words has one carry.
    header[10..12].copy_from_slice(&(!(sum as u16)).to_be_bytes());
}

/// A TCP segment over IPv4 that the card receives: the `payload` bytes from `sequence` on of a
/// stream. The checksum of TCP is not filled in.
pub(super) fn tcp_to_us(sequence: u32, payload: usize) -> Result<KVec<u8>> {
    let mut bytes = tcp(payload)?;
    bytes[..6].copy_from_slice(&MAC);
    bytes[6..12].copy_from_slice(&PEER);
    bytes[38..42].copy_from_slice(&sequence.to_be_bytes());
    fill_ip_checksum(&mut bytes[14..34]);
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

/// The offset at which UDP starts in [`vxlan`].
pub(super) const VXLAN_UDP: u16 = 34;
/// The offset of the IP header of the packet in the tunnel.
pub(super) const VXLAN_IP: u16 = 64;
/// The offset at which TCP starts in the packet in the tunnel.
pub(super) const VXLAN_TCP: u16 = 84;

/// A TCP segment over IPv4 with `payload` bytes in a VXLAN tunnel over IPv4, from `from` to `to`.
/// Checksums of TCP and UDP are not filled in.
fn vxlan(to: [u8; 6], from: [u8; 6], payload: usize) -> Result<KVec<u8>> {
    let inner = tcp(payload)?;
    let mut bytes = tcp(0)?;
    bytes.truncate(VXLAN_UDP.into());
    bytes[..6].copy_from_slice(&to);
    bytes[6..12].copy_from_slice(&from);
    // UDP, with the length of all that follows.
    bytes[23] = 17;
    let len = 8 + 8 + inner.len();
    bytes[16..18].copy_from_slice(&((20 + len) as u16).to_be_bytes());
    fill_ip_checksum(&mut bytes[14..34]);
    let [high, low] = (len as u16).to_be_bytes();
    bytes.extend_from_slice(&[0xc0, 0, 0x12, 0xb5, high, low, 0, 0], GFP_KERNEL)?;
    // VXLAN: network 42.
    bytes.extend_from_slice(&[8, 0, 0, 0, 0, 0, 42, 0], GFP_KERNEL)?;
    bytes.extend_from_slice(&inner, GFP_KERNEL)?;
    fill_ip_checksum(&mut bytes[VXLAN_IP.into()..VXLAN_TCP.into()]);
    Ok(bytes)
}

/// As [`vxlan`], of a frame that the stack sends.
pub(super) fn vxlan_from_us(payload: usize) -> Result<KVec<u8>> {
    vxlan(PEER, MAC, payload)
}

/// The number of bytes that the headers of [`vxlan6_from_us`] come later than those of [`vxlan`].
pub(super) const VXLAN6_SHIFT: u16 = 20;

/// As [`vxlan_from_us`], in a tunnel over IPv6.
pub(super) fn vxlan6_from_us(payload: usize) -> Result<KVec<u8>> {
    let v4 = vxlan_from_us(payload)?;
    let (ethernet, datagram) = (&v4[..12], &v4[VXLAN_UDP.into()..]);
    let mut bytes = KVec::new();
    bytes.extend_from_slice(ethernet, GFP_KERNEL)?;
    let [high, low] = (datagram.len() as u16).to_be_bytes();
    bytes.extend_from_slice(&[0x86, 0xdd, 0x60, 0, 0, 0, high, low, 17, 64], GFP_KERNEL)?;
    for last in [1, 2] {
        let mut addr = [0; 16];
        addr[0] = 0xfd;
        addr[15] = last;
        bytes.extend_from_slice(&addr, GFP_KERNEL)?;
    }
    bytes.extend_from_slice(datagram, GFP_KERNEL)?;
    Ok(bytes)
}

/// As [`vxlan`], of a frame that the card receives.
pub(super) fn vxlan_to_us(payload: usize) -> Result<KVec<u8>> {
    vxlan(MAC, PEER, payload)
}
