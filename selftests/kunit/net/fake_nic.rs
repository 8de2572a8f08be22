// SPDX-License-Identifier: GPL-2.0

//! A card that records the frames and the commands that it gets, and keeps receive buffers (virtio
//! spec §5.1.6).

use super::frame::ETHER_TYPE;
use kernel::{
    alloc::KVec,
    new_mutex,
    prelude::*,
    sync::{
        Arc,
        Mutex, //
    },
};
use virtio_fake::{
    wait,
    Action,
    Backend,
    Chain,
    Fake, //
};

/// Largest number of frames, and of commands, that are recorded.
const LOG_LEN: usize = 512;
/// Milliseconds after which the thread of the device has taken a buffer.
const DEADLINE_MS: u32 = 20_000;

/// The way in which commands are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The device answers with this value; 0 is `VIRTIO_NET_OK`. The result of the command follows,
    /// if it has one.
    Ack(u8),
    /// The device answers with `VIRTIO_NET_OK` and the result of the command, and reports this
    /// number of written bytes.
    Counted(u32),
    /// The device writes no byte.
    Empty,
    /// The device does not answer.
    Silence,
    /// The device answers with `VIRTIO_NET_OK`, after this number of milliseconds.
    Slowly(u32),
    /// The device answers when the test says so.
    Later,
    /// The device returns a buffer that the queue does not have.
    WrongId,
}

struct State {
    /// Frames of the tests, with the header before them.
    sent: KVec<KVec<u8>>,
    /// Number of descriptors of each of them.
    pieces: KVec<usize>,
    /// Number of all frames, and of their bytes without headers.
    count: (u64, u64),
    commands: KVec<KVec<u8>>,
    /// For each command: the number of its descriptors without the answer, and the number of
    /// receive buffers that the card had before.
    around: KVec<(usize, usize)>,
    answer: Answer,
    /// The answer to commands that begin with these bytes, if it is another.
    answer_some: Option<(KVec<u8>, Answer)>,
    /// The results of commands, by class and number.
    results: KVec<([u8; 2], KVec<u8>)>,
    /// Number of receive buffers that the card got.
    buffers: usize,
    hold_tx: bool,
    /// Number of bytes that the card reports as written to a frame to transmit.
    tx_len: u32,
    /// Length of the header.
    header: usize,
}

/// The card.
#[pin_data]
pub(super) struct FakeNic {
    /// The control queue, if there is one.
    control: Option<usize>,
    #[pin]
    state: Mutex<State>,
}

impl FakeNic {
    /// Returns a card whose last queue is the control queue, if it has one.
    pub(super) fn new(queues: usize, control: bool) -> Result<Arc<Self>> {
        let state = State {
            sent: KVec::with_capacity(LOG_LEN, GFP_KERNEL)?,
            pieces: KVec::with_capacity(LOG_LEN, GFP_KERNEL)?,
            count: (0, 0),
            commands: KVec::with_capacity(LOG_LEN, GFP_KERNEL)?,
            around: KVec::with_capacity(LOG_LEN, GFP_KERNEL)?,
            answer: Answer::Ack(0),
            answer_some: None,
            results: KVec::new(),
            buffers: 0,
            hold_tx: false,
            tx_len: 0,
            header: 12,
        };
        Arc::pin_init(
            pin_init!(Self {
                control: control.then_some(queues - 1),
                state <- new_mutex!(state),
            }),
            GFP_KERNEL,
        )
    }

    /// Returns the index of the control queue, if there is one.
    pub(super) fn control(&self) -> Option<usize> {
        self.control
    }

    /// Sets the answer to commands.
    pub(super) fn answer(&self, answer: Answer) {
        self.state.lock().answer = answer;
    }

    /// Sets the answer to commands of a class.
    pub(super) fn answer_class(&self, class: u8, answer: Answer) {
        // Without memory the test fails, as the answer is another one.
        let _ = self.answer_some(&[class], answer);
    }

    /// Sets the answer to commands that begin with these bytes: class, number, data.
    pub(super) fn answer_some(&self, begin: &[u8], answer: Answer) -> Result {
        let mut bytes = KVec::new();
        bytes.extend_from_slice(begin, GFP_KERNEL)?;
        self.state.lock().answer_some = Some((bytes, answer));
        Ok(())
    }

    /// Sets the result of commands of a class and number, which the card writes behind its answer.
    pub(super) fn set_result(&self, class: u8, number: u8, result: &[u8]) -> Result {
        let mut bytes = KVec::new();
        bytes.extend_from_slice(result, GFP_KERNEL)?;
        let mut state = self.state.lock();
        state.results.retain(|(code, _)| *code != [class, number]);
        Ok(state.results.push(([class, number], bytes), GFP_KERNEL)?)
    }

    /// Sets whether the card keeps frames to transmit, instead of using them.
    pub(super) fn hold_tx(&self, hold: bool) {
        self.state.lock().hold_tx = hold;
    }

    /// Sets the number of bytes that the card reports as written to a frame to transmit.
    pub(super) fn set_tx_len(&self, len: u32) {
        self.state.lock().tx_len = len;
    }

    /// Sets the length of the header.
    pub(super) fn set_header_len(&self, len: usize) {
        self.state.lock().header = len;
    }

    /// Returns the number of frames of the tests that the card transmitted.
    pub(super) fn sent(&self) -> usize {
        self.state.lock().sent.len()
    }

    /// Returns the number of frames that the card transmitted in all, and their bytes.
    pub(super) fn count(&self) -> (u64, u64) {
        self.state.lock().count
    }

    /// Whether frame number `index` of the tests had this header, and this content.
    pub(super) fn has_sent(&self, index: usize, header: &[u8], frame: &[u8]) -> bool {
        let state = self.state.lock();
        let Some(bytes) = state.sent.get(index) else {
            pr_err!("    # frame {} was not sent\n", index);
            return false;
        };
        let (head, rest) = bytes.split_at(header.len().min(bytes.len()));
        if head != header {
            pr_err!("    # header is {:?}\n", head);
        }
        if rest != frame {
            pr_err!(
                "    # frame has {} bytes, not {}\n",
                rest.len(),
                frame.len()
            );
        }
        head == header && rest == frame
    }

    /// Returns the header of frame number `index` of the tests.
    pub(super) fn header(&self, index: usize) -> Option<[u8; 12]> {
        self.long_header(index)
    }

    /// As [`FakeNic::header`], with the fields behind the number of buffers.
    pub(super) fn long_header<const N: usize>(&self, index: usize) -> Option<[u8; N]> {
        let state = self.state.lock();
        state.sent.get(index)?.get(..N)?.try_into().ok()
    }

    /// Returns the number of descriptors of frame number `index` of the tests.
    pub(super) fn pieces(&self, index: usize) -> Option<usize> {
        self.state.lock().pieces.get(index).copied()
    }

    /// Returns the number of commands of a class and number that the card got.
    pub(super) fn commands(&self, class: u8, number: u8) -> usize {
        let state = self.state.lock();
        let of_kind = |c: &&KVec<u8>| c.get(..2) == Some(&[class, number]);
        state.commands.iter().filter(of_kind).count()
    }

    /// Whether the last command of a class and number had this data.
    pub(super) fn was_told(&self, class: u8, number: u8, data: &[u8]) -> bool {
        let state = self.state.lock();
        let of_kind = |c: &&KVec<u8>| c.get(..2) == Some(&[class, number]);
        let last = state.commands.iter().rev().find(of_kind);
        let found = last.is_some_and(|c| c.get(2..) == Some(data));
        if !found {
            pr_err!("    # the command is {:?}\n", last.map(|c| &c[..]));
        }
        found
    }

    /// Whether a command of a class and number after `skip` ones had this data.
    pub(super) fn was_told_since(&self, skip: usize, class: u8, number: u8, data: &[u8]) -> bool {
        let state = self.state.lock();
        state
            .commands
            .iter()
            .skip(skip)
            .any(|c| c.get(..2) == Some(&[class, number]) && c.get(2..) == Some(data))
    }

    /// Whether the data of the last command of a class and number contained this part.
    pub(super) fn was_told_of(&self, class: u8, number: u8, part: &[u8]) -> bool {
        let data = self.last(class, number);
        data.is_some_and(|data| data.windows(part.len()).any(|at| at == part))
    }

    /// Returns the data of the last command of a class and number.
    pub(super) fn last(&self, class: u8, number: u8) -> Option<KVec<u8>> {
        let state = self.state.lock();
        let of_kind = |c: &&KVec<u8>| c.get(..2) == Some(&[class, number]);
        let last = state.commands.iter().rev().find(of_kind)?;
        let mut data = KVec::new();
        data.extend_from_slice(last.get(2..)?, GFP_KERNEL).ok()?;
        Some(data)
    }

    /// Returns the number of commands that the card got.
    pub(super) fn told(&self) -> usize {
        self.state.lock().commands.len()
    }

    /// Returns class and number of each command that the card got after `skip` ones.
    pub(super) fn codes_since(&self, skip: usize) -> Result<KVec<[u8; 2]>> {
        let state = self.state.lock();
        let mut codes = KVec::new();
        for command in state.commands.iter().skip(skip) {
            let code = command.first_chunk().ok_or(ENODATA)?;
            codes.push(*code, GFP_KERNEL)?;
        }
        Ok(codes)
    }

    /// Returns the number of descriptors of the first command of a class and number after `skip`
    /// ones, without the answer, and the number of receive buffers that the card had before.
    pub(super) fn around(&self, skip: usize, class: u8, number: u8) -> Option<(usize, usize)> {
        let state = self.state.lock();
        let later = state.commands.get(skip..)?;
        let at = later
            .iter()
            .position(|c| c.get(..2) == Some(&[class, number]))?;
        state.around.get(skip + at).copied()
    }

    /// Returns the number of receive buffers that the card got.
    pub(super) fn buffers(&self) -> usize {
        self.state.lock().buffers
    }

    fn transmit(&self, chain: &Chain) -> Result<Action> {
        let bytes = chain.read_all()?;
        let mut state = self.state.lock();
        if state.hold_tx {
            return Ok(Action::Hold);
        }
        let header = state.header;
        state.count.0 += 1;
        state.count.1 += bytes.len().saturating_sub(header) as u64;
        let at_type = header + 12;
        let ours = bytes.get(at_type..at_type + 2) == Some(&ETHER_TYPE.to_be_bytes())
            // TCP over IPv4, and VXLAN: nothing else in these tests sends them.
            || (bytes.get(at_type..at_type + 2) == Some(&[8, 0])
                && (bytes.get(at_type + 2 + 9) == Some(&6)
                    || bytes.get(at_type + 24..at_type + 26) == Some(&[0x12, 0xb5])))
            || (bytes.get(at_type..at_type + 2) == Some(&[0x86, 0xdd])
                && bytes.get(at_type + 44..at_type + 46) == Some(&[0x12, 0xb5]));
        if ours {
            let _ = state.sent.push_within_capacity(bytes);
            let _ = state.pieces.push_within_capacity(chain.segments().len());
        }
        Ok(Action::Complete(state.tx_len))
    }

    fn command(&self, chain: &mut Chain) -> Result<Action> {
        let bytes = chain.read_all()?;
        let pieces = chain.segments().iter().filter(|p| !p.writable).count();
        let mut state = self.state.lock();
        let buffers = state.buffers;
        let answer = match &state.answer_some {
            Some((begin, answer)) if bytes.starts_with(begin) => *answer,
            _ => state.answer,
        };
        let mut result = KVec::new();
        let of_command = |(code, _): &&([u8; 2], KVec<u8>)| bytes.starts_with(code);
        if let Some((_, bytes)) = state.results.iter().find(of_command) {
            result.extend_from_slice(bytes, GFP_KERNEL)?;
        }
        let _ = state.commands.push_within_capacity(bytes);
        let _ = state.around.push_within_capacity((pieces, buffers));
        drop(state);
        Ok(match answer {
            Answer::Ack(value) => {
                let written = chain.write(0, &[value])? + chain.write(1, &result)?;
                Action::Complete(written as u32)
            }
            Answer::Slowly(millis) => {
                wait::pause(millis);
                chain.write(0, &[0])?;
                Action::Complete(1)
            }
            Answer::Counted(len) => {
                chain.write(0, &[0])?;
                chain.write(1, &result)?;
                Action::Complete(len)
            }
            Answer::Empty => Action::Complete(0),
            Answer::Silence => Action::Lose,
            Answer::Later => Action::Hold,
            Answer::WrongId => Action::CompleteAs { id: 0x7777, len: 1 },
        })
    }
}

impl Backend for FakeNic {
    fn process(&self, queue: usize, chain: &mut Chain) -> Action {
        let action = if Some(queue) == self.control {
            self.command(chain)
        } else if queue % 2 == 1 {
            self.transmit(chain)
        } else {
            self.state.lock().buffers += 1;
            Ok(Action::Hold)
        };
        action.unwrap_or(Action::Lose)
    }
}

/// Returns a receive header with nothing but the number of buffers.
pub(super) fn rx_header(buffers: u16) -> [u8; 12] {
    let mut header = [0; 12];
    let [low, high] = buffers.to_le_bytes();
    header[10] = low;
    header[11] = high;
    header
}

/// Receives `parts` in one buffer. `len` is the length to report, if it is not the length that is
/// written.
///
/// Waits for the device to have a buffer. The device takes the buffers that the driver has just
/// added in a thread of its own.
pub(super) fn receive(fake: &Fake, parts: &[&[u8]], len: Option<u32>) -> Result {
    wait::until(DEADLINE_MS, || fake.held(0) > 0);
    receive_now(fake, parts, len)
}

/// As [`receive`], without waiting: `ENOENT` if the device has no buffer.
pub(super) fn receive_now(fake: &Fake, parts: &[&[u8]], len: Option<u32>) -> Result {
    fake.finish(0, |chain| {
        let mut at = 0;
        for part in parts {
            at += chain.write(at, part).unwrap_or(0);
        }
        Action::Complete(len.unwrap_or(at as u32))
    })
}
