// SPDX-License-Identifier: GPL-2.0

//! AF_XDP sockets that use the queues of a card without copies.

#[path = "../hostile/net_xsk.rs"]
mod hostile;
mod lifetime;
mod rx;
mod tx;

use super::{
    fake_nic::{
        receive,
        rx_header, //
    },
    NetFixture, //
};
use core::ops::Deref;
use kernel::prelude::*;
use virtio_fake::{
    messages,
    wait,
    Addresses,
    Capture,
    Nic,
    XdpActions,
    XdpTest,
    XdpVerdict,
    Xsk,
    XskRing,
    XskSpec,
    RING_RESET, //
};

/// The size of a chunk.
const CHUNK: u64 = 4096;
/// The number of bytes of a chunk before a received packet.
const HEADROOM: u64 = 256;

/// The receive queue, and the transmit queue, of the first pair.
const RX: usize = 0;
const TX: usize = 1;

/// The kinds of receive buffers.
const MODES: [&[u32]; 2] = [&[], &[super::F_MRG_RXBUF]];

/// Whether the kernel has no AF_XDP. A test is skipped then.
fn lacks_sockets() -> bool {
    let lacks = !cfg!(CONFIG_XDP_SOCKETS);
    if lacks {
        messages::skip(c"the kernel has no AF_XDP");
    }
    lacks
}

/// A card that a socket can use.
fn card(features: &[u32]) -> Result<NetFixture> {
    let mut all = KVec::new();
    all.push(RING_RESET, GFP_KERNEL)?;
    all.extend_from_slice(features, GFP_KERNEL)?;
    NetFixture::mapped(Addresses::Dma, &all)
}

/// A card whose interface is up, and a socket that uses the first pair of its queues.
struct XskFixture<'a> {
    card: &'a NetFixture,
    nic: &'a Nic,
    xsk: Xsk<'a>,
}

/// Plugs a [`card`] with these features, and calls `body` with a socket of the usual properties,
/// which has given the card so many chunks. Closes the socket after that, as
/// [`XskFixture::close`]. Skips the test if the kernel has no AF_XDP.
fn on_socket(
    features: &[u32],
    chunks: u64,
    body: impl FnOnce(&XskFixture<'_>) -> Result,
) -> Result {
    if lacks_sockets() {
        return Ok(());
    }
    on_socket_of(&card(features)?, XskSpec::default(), chunks, body)
        .inspect_err(|_| pr_err!("    # with features {:?}\n", features))
}

/// As [`on_socket`], on this card, and with a socket of these properties.
fn on_socket_of(
    card: &NetFixture,
    spec: XskSpec,
    chunks: u64,
    body: impl FnOnce(&XskFixture<'_>) -> Result,
) -> Result {
    let nic = card.up()?;
    let fixture = XskFixture::new(card, &nic, spec)?;
    if chunks != 0 {
        fixture.give(0, chunks)?;
        check!(fixture.holds(chunks as usize));
    }
    body(&fixture)?;
    fixture.close()
}

/// As [`on_socket`], in each of the [`MODES`]. The argument of `body` besides the fixture says
/// whether packets may take several buffers.
fn in_each_mode(chunks: u64, body: impl Fn(&XskFixture<'_>, bool) -> Result) -> Result {
    for features in MODES {
        on_socket(features, chunks, |fixture| {
            body(fixture, !features.is_empty())
        })?;
    }
    Ok(())
}

impl<'a> XskFixture<'a> {
    /// Has a socket use the first pair of an interface that is up.
    fn new(card: &'a NetFixture, nic: &'a Nic, spec: XskSpec) -> Result<Self> {
        let xsk = nic.xsk(spec)?;
        Ok(Self { card, nic, xsk })
    }

    /// Closes the socket. Checks that the interface has given the memory back, and that no rule of
    /// a ring was broken.
    fn close(self) -> Result {
        check!(self.xsk.close());
        check_eq!(self.card.fake.violations(), 0);
        Ok(())
    }

    /// Gives the kernel memory to receive to: `count` chunks from number `first` on.
    fn give(&self, first: u64, count: u64) -> Result {
        for i in first..first + count {
            check!(self.xsk.push(XskRing::Fill, i * CHUNK, 0));
        }
        if self.xsk.needs_wakeup(XskRing::Fill) {
            self.xsk.wake(true)?;
        }
        Ok(())
    }

    /// Attaches a program.
    fn attach(&self, actions: XdpActions) -> Result<Attached<'a>> {
        let prog = XdpTest::new(actions)?;
        self.nic.set_xdp(Some(&prog)).map_err(|(e, _)| e)?;
        Ok(Attached {
            nic: self.nic,
            prog,
        })
    }

    /// Attaches a program that passes packets to the socket.
    fn to_socket(&self) -> Result<Attached<'a>> {
        self.attach(XdpActions {
            socket: self.xsk.socket(),
            ..XdpActions::new(XdpVerdict::Redirect)
        })
    }

    /// Whether the device has exactly so many receive buffers, after some time.
    fn holds(&self, buffers: usize) -> bool {
        holds(self.card, buffers)
    }

    /// Waits for a packet at the socket, and compares it. Returns its address.
    fn arrives(&self, frame: &[u8]) -> Result<u64> {
        let mut got = None;
        check!(wait::until(5_000, || {
            got = self.xsk.pop(XskRing::Rx);
            got.is_some()
        }));
        let (addr, len) = got.ok_or(ENODATA)?;
        // With packets anywhere in the memory, the upper bits have the offset in the chunk.
        let place = (addr & ((1 << 48) - 1)) + (addr >> 48);
        check_eq!(&self.xsk.read(place, len)?[..], frame);
        Ok(addr)
    }

    /// Has the card receive a frame in one buffer.
    fn receive(&self, frame: &[u8]) -> Result {
        receive(&self.card.fake, &[&rx_header(1), frame], None)
    }

    /// Receives a frame through the card to the socket. Returns its address.
    fn run(&self, frame: &[u8]) -> Result<u64> {
        self.receive(frame)?;
        self.arrives(frame)
    }

    /// Has user space transmit frames of 500 bytes: `count` chunks from number `first` on.
    fn send(&self, first: u64, count: u64) -> Result {
        for i in first..first + count {
            check!(self.xsk.push(XskRing::Tx, i * CHUNK, 500));
        }
        self.xsk.wake(false)
    }

    /// Transmits a frame of the socket, and waits until it is given back.
    fn transmit(&self, addr: u64, frame: &[u8]) -> Result {
        let before = self.card.fake_nic.sent();
        self.xsk.write(addr, frame)?;
        check!(self.xsk.push(XskRing::Tx, addr, frame.len() as u32));
        self.xsk.wake(false)?;
        check!(self.completes(addr));
        check!(self.card.fake_nic.has_sent(before, &[0; 12], frame));
        Ok(())
    }

    /// Whether user space gets this packet back next.
    fn completes(&self, addr: u64) -> bool {
        let mut got = None;
        wait::until(5_000, || {
            got = self.xsk.pop(XskRing::Completion);
            got.is_some()
        });
        if got != Some((addr, 0)) {
            pr_err!("    # {:?} came back\n", got);
        }
        got == Some((addr, 0))
    }

    /// Whether user space gets these packets back, in this order: `count` chunks from number
    /// `first` on.
    fn all_complete(&self, first: u64, count: u64) -> bool {
        (first..first + count).all(|i| self.completes(i * CHUNK))
    }
}

/// A program that is attached to an interface. Dropping this detaches the interface's program.
struct Attached<'a> {
    nic: &'a Nic,
    prog: XdpTest,
}

impl Deref for Attached<'_> {
    type Target = XdpTest;

    fn deref(&self) -> &XdpTest {
        &self.prog
    }
}

impl Drop for Attached<'_> {
    fn drop(&mut self) {
        if self.nic.set_xdp(None).is_err() {
            pr_err!("    # the program cannot be detached\n");
        }
    }
}

/// Whether the device has exactly so many receive buffers, after some time.
fn holds(card: &NetFixture, buffers: usize) -> bool {
    let holds = wait::until(5_000, || card.fake.held(RX) == buffers);
    if !holds {
        pr_err!("    # the device has {} buffers\n", card.fake.held(RX));
    }
    holds
}

/// Whether a frame arrives at the stack.
fn arrives_at_stack(capture: &Capture, frame: &[u8]) -> bool {
    wait::until(5_000, || !capture.is_empty()) && capture.pop().is_some_and(|got| got[..] == *frame)
}
