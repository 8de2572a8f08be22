// SPDX-License-Identifier: GPL-2.0

//! Memory that is mapped for the device, by the operations of its transport.

use super::{
    add,
    detach_all,
    get,
    on,
    on_each,
    refused,
    rust_ring_or_skip, //
};
use crate::fixture::{
    on_bench,
    Setup, //
};
use kernel::prelude::*;
use virtio_fake::{
    messages,
    Action,
    AddFn,
    Addresses,
    CBuffer,
    DropCounter,
    Fake,
    TestBuffer,
    INDIRECT_DESC,
    MAX_MAPPING,
    RING_PACKED, //
};
use vring::bindings::DMA_ATTR_DEBUGGING_IGNORE_CACHELINES;

fn mapped() -> Setup {
    Setup {
        mapping: Some(Addresses::Marked),
        ..Setup::default()
    }
}

/// Returns the setup with a second queue.
fn two() -> Setup {
    Setup {
        queues: 2,
        ..mapped()
    }
}

/// Returns the setup with a ring for long buffers.
fn long() -> Setup {
    Setup {
        size: 64,
        segments: 20,
        ..mapped()
    }
}

#[kunit_tests(rust_virtio_ring_mapping)]
mod suite {
    use super::*;

    /// Each segment is mapped while the device has it, and so are all parts of the ring that the
    /// device uses (R21, R44).
    #[test]
    fn h142_as_long_as_outstanding() -> Result {
        on_each(mapped, |_, fake, _, _queues| {
            let mut vq = fake.c_queue(0)?;
            check!(fake.areas() >= 1);
            check_eq!(fake.mapped(), 0);
            for round in 0..20 {
                add(&mut vq, round, 2, 1)?;
                add(&mut vq, round, 0, 1)?;
                check!(fake.mapped() >= 4);
                vq.kick();
                check_eq!(fake.serve(0)?, 2);
                for _ in 0..2 {
                    let mut all = false;
                    fake.finish(0, |chain| {
                        all = chain.is_mapped();
                        Action::Complete(chain.writable() as u32)
                    })?;
                    check!(all);
                }
                check!(fake.mapped() >= 4);
                check_eq!(get(&mut vq)?.len, 16);
                check_eq!(fake.mapped(), 1);
                check_eq!(get(&mut vq)?.len, 16);
                check_eq!(fake.mapped(), 0);
            }
            Ok(())
        })
    }

    /// Segments and indirect tables are mapped and unmapped in the direction in which the device
    /// uses them (R21, R44). The device refuses memory that it must not read, or write.
    #[test]
    fn in_its_direction() -> Result {
        on_each(two, |bound, fake, _, mut queues| {
            bound.answer_when_served();
            let mut vq = fake.c_queue(0)?;
            for (how, out, in_) in [
                (AddFn::Lists, 2, 0),
                (AddFn::Lists, 0, 2),
                (AddFn::Lists, 2, 2),
                (AddFn::Segments, 1, 2),
                (AddFn::Out, 1, 0),
                (AddFn::Out, 3, 0),
                (AddFn::In, 0, 1),
                (AddFn::In, 0, 3),
                (AddFn::InCacheClean, 0, 2),
                (AddFn::OutPremapped, 2, 0),
                (AddFn::InPremapped(0), 0, 2),
            ] {
                vq.add(CBuffer::new(1, out, in_)?, how)?;
                check!(fake.mapped() >= out + in_);
                vq.kick();
                check_eq!(fake.serve(0)?, 1);
                check_eq!(get(&mut vq)?.buffer.number(), 1);
                check_eq!((fake.mapped(), fake.mapped_wrong()), (0, 0));
            }
            let mut vq = queues.take::<TestBuffer>(1)?;
            let drops = DropCounter::new()?;
            for (out, in_) in [(1, 0), (0, 1), (1, 1), (3, 2)] {
                let mut buffer = TestBuffer::new(1, &drops)?;
                for _ in 0..out {
                    buffer = buffer.out(b"to be read")?;
                }
                for _ in 0..in_ {
                    buffer = buffer.in_(16)?;
                }
                vq.add_buf(buffer)?;
                check!(fake.mapped() >= out + in_);
                vq.kick();
                check_eq!(fake.serve(1)?, 1);
                check!(vq.get_buf().is_some());
                check_eq!((fake.mapped(), fake.mapped_wrong()), (0, 0));
            }
            Ok(())
        })
    }

    /// The same with the DMA API. Then a queue has a device for it (R21, R33).
    #[test]
    fn by_the_dma_api() -> Result {
        if !cfg!(CONFIG_HAS_DMA) {
            messages::skip(c"there is no DMA API");
            return Ok(());
        }
        on_each(
            || Setup {
                mapping: Some(Addresses::Dma),
                ..Setup::default()
            },
            |_, fake, dev, _queues| {
                let mut vq = fake.c_queue(0)?;
                check!(vq.has_dma_dev());
                check!(fake.max_dma_size() > 0);
                for round in 0..20 {
                    add(&mut vq, round, 2, 1)?;
                    vq.kick();
                    check_eq!(fake.serve(0)?, 1);
                    let mut seen = KVec::new();
                    fake.finish(0, |chain| {
                        seen = chain.read_all().unwrap_or_default();
                        let _ = chain.write(0, b"an answer");
                        Action::Complete(9)
                    })?;
                    check!(seen.len() == 32 && seen.iter().all(|&byte| u64::from(byte) == round));
                    let got = get(&mut vq)?;
                    check_eq!((got.buffer.number(), got.len), (round, 9));
                    check_eq!(&got.buffer.written()[..9], b"an answer");
                }
                add(&mut vq, 1, 1, 2)?;
                dev.reset();
                check_eq!(detach_all(&mut vq)?.len(), 1);
                Ok(())
            },
        )
    }

    /// Outstanding buffers are unmapped when they are taken back after a reset (R13, R21).
    #[test]
    fn detached() -> Result {
        on_each(mapped, |_, fake, dev, _queues| {
            let mut vq = fake.c_queue(0)?;
            add(&mut vq, 1, 1, 2)?;
            add(&mut vq, 2, 1, 0)?;
            vq.kick();
            check_eq!(fake.serve(0)?, 2);
            check!(fake.mapped() >= 4);
            dev.reset();
            check_eq!(detach_all(&mut vq)?.len(), 2);
            check_eq!(fake.mapped(), 0);
            Ok(())
        })
    }

    /// H144: if a segment cannot be mapped, the add fails with an error for a later attempt. The
    /// ring does not change, and the device sees no part of the buffer (R20, R26).
    #[test]
    fn h144_no_mapping() -> Result {
        on_each(mapped, |_, fake, _, _queues| {
            let mut vq = fake.c_queue(0)?;
            for round in 0..12 {
                // The number of descriptors does not divide the ring, so each position is the first
                // one once. It is less than that of the refused buffer, whose other descriptors
                // must be free, too.
                for (out, in_) in [(1, 2), (0, 1 + round % 3)] {
                    for (left, out, how) in [
                        (0, 2, AddFn::Lists),
                        (1, 2, AddFn::Lists),
                        (2, 2, AddFn::Lists),
                        (3, 2, AddFn::Lists),
                        (0, 1, AddFn::Segments),
                        (1, 1, AddFn::Segments),
                        (2, 1, AddFn::Segments),
                    ] {
                        fake.limit_maps(Some(left));
                        let why = refused(&mut vq, CBuffer::new(9, out, 2)?, how)?;
                        // The packed C ring returns EIO here, which drivers treat as fatal.
                        let c = !crate::ring::is_rust_ring() && fake.negotiated(RING_PACKED);
                        check_eq!(why, if c { EIO } else { ENOMEM });
                        check_eq!((fake.mapped(), vq.num_free()), (0, 8));
                        check_eq!(fake.serve(0)?, 0);
                    }
                    fake.limit_maps(None);
                    add(&mut vq, 1, out, in_)?;
                    vq.kick();
                    check_eq!(fake.serve(0)?, 1);
                    let mut shape = (0, 0);
                    fake.finish(0, |chain| {
                        shape = (chain.readable(), chain.writable());
                        Action::Complete(1)
                    })?;
                    check_eq!(shape, (16 * out, 16 * in_));
                    check_eq!(get(&mut vq)?.buffer.number(), 1);
                }
            }
            check!(!vq.is_broken());
            Ok(())
        })
    }

    /// Buffers of any length are mapped and unmapped as a whole, and so are their neighbours (R20,
    /// R21).
    #[test]
    fn any_length() -> Result {
        on_each(long, |_, fake, dev, _queues| {
            let mut vq = fake.c_queue(0)?;
            for segments in 1..=20 {
                fake.limit_maps(None);
                add(&mut vq, 1, 1, segments)?;
                let beside = fake.mapped();
                for left in [segments - 1, segments / 2] {
                    fake.limit_maps(Some(left as u32));
                    let why = refused(&mut vq, CBuffer::new(9, segments, 0)?, AddFn::Out)?;
                    let c = !crate::ring::is_rust_ring() && fake.negotiated(RING_PACKED);
                    check_eq!(why, if c { EIO } else { ENOMEM });
                    check_eq!(fake.mapped(), beside);
                }
                fake.limit_maps(None);
                add(&mut vq, 2, segments, 1)?;
                check!(fake.mapped() > beside + segments);
                vq.kick();
                check_eq!(fake.serve(0)?, 2);
                for number in 1..=2 {
                    let mut all = false;
                    fake.finish(0, |chain| {
                        all = chain.is_mapped();
                        Action::Complete(1)
                    })?;
                    check!(all);
                    check_eq!(get(&mut vq)?.buffer.number(), number);
                }
                check_eq!((fake.mapped(), fake.mapped_wrong()), (0, 0));
            }
            add(&mut vq, 1, 20, 20)?;
            add(&mut vq, 2, 17, 0)?;
            check!(fake.mapped() >= 57);
            dev.reset();
            check_eq!(detach_all(&mut vq)?.len(), 2);
            check_eq!((fake.mapped(), fake.mapped_wrong()), (0, 0));
            Ok(())
        })
    }

    /// If a buffer ignores the error of a segment that cannot be mapped, its mapped segments are
    /// unmapped.
    #[test]
    fn stubborn() -> Result {
        if !rust_ring_or_skip(c"for the C ring, a scatterlist gets the segments")? {
            return Ok(());
        }
        // Without indirect tables, which would be mapped, too.
        on(&[&[], &[RING_PACKED]], long, |_, fake, _, mut queues| {
            let mut vq = queues.take::<TestBuffer>(0)?;
            let drops = DropCounter::new()?;
            for left in 1..=20 {
                let mut buffer = TestBuffer::new(1, &drops)?.stubborn();
                for _ in 0..20 {
                    buffer = buffer.in_(16)?;
                }
                fake.limit_maps(Some(left));
                vq.add_buf(buffer)?;
                fake.limit_maps(None);
                check_eq!(fake.mapped(), left as usize);
                vq.kick();
                check_eq!(fake.serve(0)?, 1);
                fake.finish(0, |_| Action::Complete(0))?;
                check!(vq.get_buf().is_some());
                check_eq!((fake.mapped(), fake.mapped_wrong()), (0, 0));
            }
            Ok(())
        })
    }

    /// The ring does not map or unmap segments that the driver has mapped (R32). It maps an
    /// indirect table in any case.
    #[test]
    fn premapped() -> Result {
        on_each(mapped, |_, fake, _, _queues| {
            let mut vq = fake.c_queue(0)?;
            for (how, out, in_) in [
                (AddFn::OutPremapped, 3, 0),
                (AddFn::InPremapped(0), 0, 3),
                (AddFn::OutPremapped, 1, 0),
            ] {
                let buffer = CBuffer::new(1, out, in_)?;
                vq.add(buffer, how)?;
                check!(fake.mapped() >= out + in_);
                vq.kick();
                check_eq!(fake.serve(0)?, 1);
                let mut all = false;
                fake.finish(0, |chain| {
                    all = chain.is_mapped();
                    Action::Complete(0)
                })?;
                check!(all);
                // The driver unmaps here. A second unmap by the ring would be counted.
                check!(vq.get()?.is_some());
                check_eq!((fake.mapped(), fake.mapped_wrong()), (0, 0));
            }
            Ok(())
        })
    }

    /// The DMA API gets the attribute for buffers that share cache lines with other data (R30).
    #[test]
    fn shared_cache_lines() -> Result {
        on_each(mapped, |_, fake, dev, _queues| {
            let mut vq = fake.c_queue(0)?;
            fake.map_attributes();
            for (how, attributes) in [
                (AddFn::In, 0),
                (AddFn::InCacheClean, DMA_ATTR_DEBUGGING_IGNORE_CACHELINES),
            ] {
                vq.add(CBuffer::new(1, 0, 1)?, how)?;
                check_eq!(fake.map_attributes(), u64::from(attributes));
            }
            dev.reset();
            check_eq!(detach_all(&mut vq)?.len(), 2);
            Ok(())
        })
    }

    /// Mappings of drivers use the operations of the transport. Then there is no device for the DMA
    /// API (R22, R33, R34, R44).
    #[test]
    fn by_drivers() -> Result {
        on(
            &[&[], &[RING_PACKED, INDIRECT_DESC]],
            mapped,
            |_, fake, _, _queues| {
                let vq = fake.c_queue(0)?;
                check!(!vq.has_dma_dev());
                check_eq!(fake.max_dma_size(), MAX_MAPPING);
                let mut bytes = KVec::from_elem(0u8, 256, GFP_KERNEL)?;
                let ptr: *mut core::ffi::c_void = bytes.as_mut_ptr().cast();
                let addr = vq.map(ptr, 256, true)?;
                check_eq!(fake.mapped(), 1);
                fake.may_use(addr, 256, true)?;
                check_err!(fake.may_use(addr, 256, false), EACCES);
                check_err!(fake.may_use(addr + 1, 256, true), EFAULT);
                check!(vq.sync(addr, 64, 32));
                check_eq!(fake.synced(), 2);
                vq.unmap(addr, 256, true);
                check_eq!((fake.mapped(), fake.mapped_wrong()), (0, 0));
                let (image, phys) = Fake::image();
                let addr = vq.map(image, 8, false)?;
                check_eq!(addr & (u64::MAX >> 2), phys);
                vq.unmap(addr, 8, false);
                check_eq!((fake.mapped(), fake.mapped_wrong()), (0, 0));
                fake.limit_maps(Some(0));
                check_err!(vq.map(ptr, 256, false), ENOMEM);
                check_eq!(fake.mapped(), 0);
                Ok(())
            },
        )
    }

    /// Without mapping, an address is physical, and there is nothing to unmap or synchronise (R19,
    /// R22, R33, R34).
    #[test]
    fn physical() -> Result {
        on_bench(Setup::default(), |_, fake, _, _queues| {
            let vq = fake.c_queue(0)?;
            check!(!vq.has_dma_dev());
            check_eq!(fake.max_dma_size(), usize::MAX);
            let mut bytes = KVec::from_elem(0u8, 256, GFP_KERNEL)?;
            let ptr: *mut core::ffi::c_void = bytes.as_mut_ptr().cast();
            let (one, other) = (vq.map(ptr, 256, true)?, vq.map(ptr, 100, false)?);
            check_eq!(one, other);
            let (image, phys) = Fake::image();
            check_eq!(vq.map(image, 8, false)?, phys);
            check!(!vq.sync(one, 0, 256));
            vq.unmap(one, 256, true);
            check_eq!(
                (fake.mapped_so_far(), fake.synced(), fake.areas()),
                (0, 0, 0)
            );
            Ok(())
        })
    }
}
