// SPDX-License-Identifier: GPL-2.0

//! Requests to a disk (§5.2.6) and their expected results.
//!
//! Each request has its own piece of the disk and of the memory, so that the order in which the
//! disk works does not matter.

use crate::{common::Segments, machine::Memory};
use std::collections::{BTreeMap, HashMap};
use vm_memory::{Bytes, GuestAddress};

/// The largest number of bytes of the disk that a request reads or writes.
pub const PIECE: u64 = 4096;
const SECTOR: u64 = 512;

/// The memory of a request: header, status, data.
const STEP: u64 = 2 * PIECE;
const STATUS: u64 = 16;
const DATA: u64 = PIECE;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Read,
    Write,
    Flush,
}

/// The segments of a request.
pub struct Request {
    pub token: u32,
    pub out: Vec<(u64, u32)>,
    pub in_: Vec<(u64, u32)>,
    kind: Kind,
    bytes: u32,
    tag: u32,
}

impl Request {
    pub fn lists(&self) -> (&Segments, &Segments) {
        (&self.out, &self.in_)
    }
}

/// The contents of the disk, and the outstanding requests.
pub struct Disk {
    memory: Memory,
    /// The start of the memory for requests.
    base: u64,
    free: Vec<u32>,
    under_way: HashMap<u32, Request>,
    /// Piece -> the tag that each sector was written with; `None` if it is unknown.
    sectors: BTreeMap<u32, [Option<u32>; (PIECE / SECTOR) as usize]>,
    tag: u32,
}

/// Returns the value of a byte of the disk, by the tag that its piece was written with. The tag is
/// zero at first.
fn content(tag: u32, at: u32) -> u8 {
    match tag {
        0 => 0,
        _ => {
            (tag.wrapping_mul(0x9e37_79b1) >> 24) as u8
                ^ at as u8
                ^ (at >> 8).wrapping_mul(29) as u8
        }
    }
}

/// Cuts memory into pieces, at places that follow from `cuts`.
fn cut(addr: u64, bytes: u32, pieces: u32, cuts: u32) -> Vec<(u64, u32)> {
    let mut at: Vec<u32> = (1..pieces)
        .map(|i| (cuts.wrapping_mul(0x85eb_ca6b).rotate_left(i * 5) ^ i) % (bytes + 1))
        .collect();
    at.extend([0, bytes]);
    at.sort_unstable();
    let pieces = at.windows(2).filter(|pair| pair[0] != pair[1]);
    pieces
        .map(|pair| (addr + u64::from(pair[0]), pair[1] - pair[0]))
        .collect()
}

impl Disk {
    /// Creates a disk with that many pieces, all zero.
    pub fn new(memory: Memory, base: u64, pieces: u32) -> Self {
        Self {
            memory,
            base,
            free: (0..pieces).rev().collect(),
            under_way: HashMap::new(),
            sectors: BTreeMap::new(),
            tag: 0,
        }
    }

    pub fn under_way(&self) -> usize {
        self.under_way.len()
    }

    fn at(&self, token: u32) -> u64 {
        self.base + u64::from(token) * STEP
    }

    /// Makes a request of up to `sectors` in `pieces` segments of data.
    pub fn request(&mut self, kind: Kind, sectors: u32, pieces: u32, cuts: u32) -> Option<Request> {
        let token = self.free.pop()?;
        self.tag += 1;
        let (at, tag) = (self.at(token), self.tag);
        let bytes = if kind == Kind::Flush {
            0
        } else {
            sectors * SECTOR as u32
        };
        let code = match kind {
            Kind::Read => 0u32,
            Kind::Write => 1,
            Kind::Flush => 4,
        };
        let mut header = [0; 16];
        header[..4].copy_from_slice(&code.to_le_bytes());
        if kind != Kind::Flush {
            let sector = u64::from(token) * (PIECE / SECTOR);
            header[8..].copy_from_slice(&sector.to_le_bytes());
        }
        let fill: Vec<u8> = match kind {
            Kind::Write => (0..bytes).map(|i| content(tag, i)).collect(),
            _ => vec![0xee; bytes as usize],
        };
        for (offset, what) in [(0, &header[..]), (STATUS, &[0xff]), (DATA, &fill)] {
            self.memory
                .write_slice(what, GuestAddress(at + offset))
                .unwrap();
        }
        let data = if bytes == 0 {
            Vec::new()
        } else {
            cut(at + DATA, bytes, pieces, cuts)
        };
        let mut out = if cuts % 3 == 0 {
            cut(at, 16, 2, cuts)
        } else {
            vec![(at, 16)]
        };
        let mut in_ = Vec::new();
        match kind {
            Kind::Write => out.extend(data),
            _ => in_.extend(data),
        }
        in_.push((at + STATUS, 1));
        Some(Request {
            token,
            out,
            in_,
            kind,
            bytes,
            tag,
        })
    }

    /// Records that the ring refused the request.
    pub fn refused(&mut self, request: Request) {
        self.free.push(request.token);
    }

    /// Records that the ring took the request.
    pub fn issued(&mut self, request: Request) {
        let known = self.sectors.entry(request.token).or_insert([Some(0); 8]);
        if request.kind == Kind::Write {
            // Unknown until the request is done.
            known[..(request.bytes / SECTOR as u32) as usize].fill(None);
        }
        let twice = self.under_way.insert(request.token, request);
        assert!(twice.is_none());
    }

    /// Checks a request that the device reports as done, with the number of bytes that it reports
    /// as written.
    pub fn done(&mut self, token: u32, len: u32) {
        let request = self
            .under_way
            .remove(&token)
            .expect("an outstanding request");
        let room: u32 = request.in_.iter().map(|(_, len)| len).sum();
        assert_eq!(len, room, "{:?}", request.kind);
        let at = self.at(token);
        let status: u8 = self.memory.read_obj(GuestAddress(at + STATUS)).unwrap();
        assert_eq!(status, 0, "{:?} succeeds", request.kind);
        let known = self.sectors.get_mut(&token).unwrap();
        let sectors = known
            .iter_mut()
            .enumerate()
            .take((request.bytes / SECTOR as u32) as usize);
        match request.kind {
            Kind::Write => sectors.for_each(|(_, tag)| *tag = Some(request.tag)),
            Kind::Read => {
                let mut data = vec![0; request.bytes as usize];
                self.memory
                    .read_slice(&mut data, GuestAddress(at + DATA))
                    .unwrap();
                for (i, tag) in sectors {
                    let range = i as u32 * SECTOR as u32..(i as u32 + 1) * SECTOR as u32;
                    let wanted = tag.map(|tag| range.clone().map(move |at| content(tag, at)));
                    let read = &data[range.start as usize..range.end as usize];
                    assert!(
                        wanted.is_none_or(|wanted| wanted.eq(read.iter().copied())),
                        "sector {i} of piece {token}"
                    );
                }
            }
            Kind::Flush => {}
        }
        self.free.push(token);
    }

    /// Records that the request came back from a device that was reset.
    pub fn given_back(&mut self, token: u32) {
        assert!(self.under_way.remove(&token).is_some());
        self.free.push(token);
    }
}
