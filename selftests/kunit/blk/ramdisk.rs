// SPDX-License-Identifier: GPL-2.0

//! A disk in memory, which follows the specification (§5.2.6) unless a test changes that.

use super::config::SECTORS;
use kernel::{
    alloc::{
        KVVec,
        KVec, //
    },
    new_mutex,
    prelude::*,
    sync::{
        Arc,
        Mutex, //
    },
};
use virtio_fake::{
    Action,
    Backend,
    Chain, //
};

/// Command: read.
pub(super) const IN: u32 = 0;
/// Command: write.
pub(super) const OUT: u32 = 1;
/// Command: flush.
pub(super) const FLUSH: u32 = 4;
/// Command: get the serial number.
pub(super) const GET_ID: u32 = 8;
/// Command: discard.
pub(super) const DISCARD: u32 = 11;
/// Command: write zeroes.
pub(super) const WRITE_ZEROES: u32 = 13;
/// Command: secure erase.
pub(super) const SECURE_ERASE: u32 = 14;

const OK: u8 = 0;
const IOERR: u8 = 1;
const UNSUPP: u8 = 2;

/// The largest number of requests in the log.
const LOG_LEN: usize = 256;

/// A request that the disk got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) command: u32,
    pub(super) sector: u64,
    /// The number of bytes of data, or of ranges.
    pub(super) len: usize,
    /// The first range of a discard or write of zeroes: sector, count, flags.
    pub(super) range: (u64, u32, u32),
}

/// The kind of answer of the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Follows the specification.
    Honest,
    /// Does nothing, and answers with this status.
    Status(u8),
    /// Carries out the request, and answers with this status.
    DoneBut(u8),
    /// Does nothing, does not write the status, and reports this many written bytes.
    Untouched(u32),
    /// Follows the specification, except for the reported number of written bytes.
    Counted(Count),
    /// Writes only the status, with success, at its correct place.
    OnlyStatus,
    /// Does nothing, and uses a buffer id that is not outstanding.
    WrongId,
    /// Keeps the request.
    Hold,
}

/// The rule by which the disk counts written bytes. For each rule there are real disks, which work
/// with other drivers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Count {
    /// That of the specification.
    Exact,
    /// The data of a read without the status.
    Data,
    /// The bytes moved from or to the disk.
    Moved,
    /// The status alone.
    Status,
    /// The header, which was read.
    Header,
    /// Nothing.
    Nothing,
    /// A negative error number.
    Error,
}

impl Count {
    /// Returns the length to report, for a request with this many bytes before the status.
    fn len(self, seen: &Seen, data: usize) -> u32 {
        match self {
            Self::Exact => data as u32 + 1,
            Self::Data => data as u32,
            Self::Moved => seen.len as u32,
            Self::Status => 1,
            Self::Header => 16,
            Self::Nothing => 0,
            Self::Error => -5i32 as u32,
        }
    }
}

struct State {
    data: KVVec<u8>,
    seen: KVec<Seen>,
    answer: Answer,
    /// The command with this answer. Others are answered by the specification.
    to: Option<u32>,
    serial: [u8; 20],
}

/// The state of the disk.
#[pin_data]
pub(super) struct RamDisk {
    #[pin]
    state: Mutex<State>,
}

impl RamDisk {
    /// Returns an empty disk.
    pub(super) fn new() -> Result<Arc<Self>> {
        let state = State {
            data: KVVec::from_elem(0, SECTORS as usize * 512, GFP_KERNEL)?,
            seen: KVec::with_capacity(LOG_LEN, GFP_KERNEL)?,
            answer: Answer::Honest,
            to: None,
            serial: *b"serial-of-20-bytes-x",
        };
        Arc::pin_init(
            pin_init!(Self {
                state <- new_mutex!(state),
            }),
            GFP_KERNEL,
        )
    }

    /// Sets the answer from now on; with `to`, only for commands of that kind.
    pub(super) fn answer(&self, answer: Answer, to: Option<u32>) {
        let mut state = self.state.lock();
        state.answer = answer;
        state.to = to;
    }

    /// Sets the serial number.
    pub(super) fn set_serial(&self, serial: [u8; 20]) {
        self.state.lock().serial = serial;
    }

    /// Whether the disk has these bytes at a sector.
    pub(super) fn has(&self, sector: u64, bytes: &[u8]) -> bool {
        let at = sector as usize * 512;
        self.state.lock().data.get(at..at + bytes.len()) == Some(bytes)
    }

    /// Stores bytes at a sector.
    pub(super) fn put(&self, sector: u64, bytes: &[u8]) {
        let at = sector as usize * 512;
        if let Some(to) = self.state.lock().data.get_mut(at..at + bytes.len()) {
            to.copy_from_slice(bytes);
        }
    }

    /// Clears the log of requests.
    pub(super) fn forget(&self) {
        self.state.lock().seen.clear();
    }

    /// Returns the number of requests of a kind in the log.
    pub(super) fn count(&self, command: u32) -> usize {
        let state = self.state.lock();
        state.seen.iter().filter(|s| s.command == command).count()
    }

    /// Returns the last request of a kind.
    pub(super) fn last(&self, command: u32) -> Option<Seen> {
        let state = self.state.lock();
        state
            .seen
            .iter()
            .rev()
            .find(|s| s.command == command)
            .copied()
    }

    /// Answers a request that was held, by the specification.
    pub(super) fn complete(&self, chain: &mut Chain) -> Action {
        self.try_serve(chain, true).unwrap_or(Action::Complete(0))
    }

    fn try_serve(&self, chain: &mut Chain, honest: bool) -> Result<Action> {
        let mut header = [0; 16];
        if chain.read(0, &mut header)? != 16 || chain.writable() == 0 {
            return Err(EINVAL);
        }
        let seen = Seen {
            command: le32(&header, 0),
            sector: u64::from(le32(&header, 8)) | u64::from(le32(&header, 12)) << 32,
            len: chain.readable() + chain.writable() - 17,
            range: range(chain)?,
        };
        let mut guard = self.state.lock();
        let state = &mut *guard;
        let _ = state.seen.push_within_capacity(seen);
        let at_status = chain.writable() - 1;
        let answer = if honest || state.to.is_some_and(|to| to != seen.command) {
            Answer::Honest
        } else {
            state.answer
        };
        let status = match answer {
            Answer::Honest | Answer::Counted(_) => state.serve(&seen, chain)?,
            Answer::Status(status) => status,
            Answer::DoneBut(status) => {
                state.serve(&seen, chain)?;
                status
            }
            Answer::OnlyStatus => OK,
            Answer::Untouched(len) => return Ok(Action::Complete(len)),
            Answer::WrongId => return Ok(Action::CompleteAs { id: 0x7777, len: 1 }),
            Answer::Hold => return Ok(Action::Hold),
        };
        chain.write(at_status, &[status])?;
        Ok(Action::Complete(match answer {
            Answer::Honest => Count::Exact.len(&seen, at_status),
            Answer::Counted(count) => count.len(&seen, at_status),
            _ => 1,
        }))
    }
}

impl Backend for RamDisk {
    fn process(&self, _queue: usize, chain: &mut Chain) -> Action {
        self.try_serve(chain, false).unwrap_or(Action::Complete(0))
    }
}

impl State {
    /// Carries out a request. Returns the status.
    fn serve(&mut self, seen: &Seen, chain: &mut Chain) -> Result<u8> {
        let at = (seen.sector as usize).saturating_mul(512);
        Ok(match seen.command {
            IN => match self.data.get(at..at.saturating_add(seen.len)) {
                Some(from) => {
                    chain.write(0, from)?;
                    OK
                }
                None => IOERR,
            },
            OUT => match self.data.get_mut(at..at.saturating_add(seen.len)) {
                Some(to) => {
                    chain.read(16, to)?;
                    OK
                }
                None => IOERR,
            },
            FLUSH => OK,
            GET_ID => {
                chain.write(0, &self.serial)?;
                OK
            }
            DISCARD | WRITE_ZEROES | SECURE_ERASE => {
                let (sector, count, _) = seen.range;
                let (at, len) = (sector as usize * 512, count as usize * 512);
                match self.data.get_mut(at..at + len) {
                    Some(to) => {
                        to.fill(0);
                        OK
                    }
                    None => IOERR,
                }
            }
            _ => UNSUPP,
        })
    }
}

/// Returns the first range of a request.
fn range(chain: &Chain) -> Result<(u64, u32, u32)> {
    let mut bytes = [0; 16];
    if chain.read(16, &mut bytes)? != 16 {
        return Ok((0, 0, 0));
    }
    Ok((
        u64::from(le32(&bytes, 0)) | u64::from(le32(&bytes, 4)) << 32,
        le32(&bytes, 8),
        le32(&bytes, 12),
    ))
}

fn le32(bytes: &[u8; 16], at: usize) -> u32 {
    let mut word = [0; 4];
    if let Some(from) = bytes.get(at..at + 4) {
        word.copy_from_slice(from);
    }
    u32::from_le_bytes(word)
}
