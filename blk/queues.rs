// SPDX-License-Identifier: GPL-2.0

//! The queues of a device: their number, their use, and the tag set of their requests.

use crate::{
    config,
    features,
    limits::{
        self,
        fit_ring,
        EXTRA_SEGMENTS, //
    },
    request::BlkBuffer,
    Blk,
    QUEUE_DEPTH, //
};
use blockdev::{
    mq::{
        self,
        TagSet, //
    },
    Limits, //
};
use kernel::{
    device::Bound,
    new_mutex,
    prelude::*,
    sync::{
        Arc,
        Mutex, //
    },
};
use virtio::{
    Affinity,
    Device,
    Feature,
    QueueHandle,
    QueueSpec,
    TimeLimit,
    Virtqueue, //
};

/// The timeout of a request, unless `/sys/block/*/queue/io_timeout` was written.
const REQUEST_TIME: TimeLimit = TimeLimit::from_millis(30_000);

/// Numbers of queues by their use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct QueueSplit {
    /// Queues with an interrupt, which come first.
    pub(crate) default: u16,
    /// Queues that are polled.
    pub(crate) poll: u16,
}

impl QueueSplit {
    /// Returns the number of all queues.
    pub(crate) fn total(self) -> u16 {
        self.default.saturating_add(self.poll)
    }

    /// Splits `total` queues, of which at least one has an interrupt.
    fn new(total: u16, poll: u32) -> Self {
        let most = total.saturating_sub(1);
        let poll = u16::try_from(poll).unwrap_or(u16::MAX).min(most);
        Self {
            default: total.saturating_sub(poll),
            poll,
        }
    }
}

/// Decides how many queues to use: as many as the device has, but at most one per CPU, and at most
/// `limit` unless that is 0. `poll` of them are polled.
///
/// # Errors
///
/// - `EINVAL`: the device reports that it has no queue.
/// - Those of [`virtio::Config::read`].
pub(crate) fn decide_split(dev: &Device<Bound>, limit: u32, poll: u32) -> Result<QueueSplit> {
    let offered = match dev.config().read_if(features::MQ, config::NUM_QUEUES)? {
        Some(0) => {
            dev_err!(dev.as_ref(), "MQ advertised but zero queues reported\n");
            return Err(EINVAL);
        }
        Some(n) => n,
        None => 1,
    };
    let total = mq::num_possible_queues(limits::min_not_zero(limit, offered.into()));
    Ok(QueueSplit::new(
        u16::try_from(total).unwrap_or(offered).clamp(1, offered),
        poll,
    ))
}

/// The data of a tag set, from which [`map_queues`](blockdev::mq::Operations::map_queues) maps CPUs
/// to queues.
#[pin_data]
pub(crate) struct QueueMap {
    pub(crate) split: QueueSplit,
    /// The queues with an interrupt, while the tag set is made.
    #[pin]
    pub(crate) handles: Mutex<KVec<QueueHandle>>,
}

/// Finds the queues, for requests of up to `segments` data segments.
///
/// # Errors
///
/// Those of [`Device::find_vqs`].
pub(crate) fn find_queues(
    dev: &Device<Bound>,
    split: QueueSplit,
    segments: u16,
) -> Result<KVec<Virtqueue<BlkBuffer>>> {
    let total = split.total().into();
    let descriptors = usize::from(segments) + usize::from(EXTRA_SEGMENTS);
    let mut specs = KVec::with_capacity(total, GFP_KERNEL)?;
    for i in 0..total {
        let spec = if i < split.default.into() {
            QueueSpec::new(fmt!("req.{i}"), descriptors)?
        } else {
            QueueSpec::new(fmt!("req_poll.{i}"), descriptors)?.without_callback()
        };
        specs.push(spec, GFP_KERNEL)?;
    }
    let spread = Affinity::Spread {
        pre_vectors: 0,
        post_vectors: 0,
    };
    let mut found = dev.find_vqs(specs, spread)?;
    let mut queues = KVec::with_capacity(total, GFP_KERNEL)?;
    for i in 0..total {
        queues.push(found.take(i)?, GFP_KERNEL)?;
    }
    Ok(queues)
}

/// Returns the number of segments that a request can have on the smallest ring, at most `segments`.
pub(crate) fn fit_segments(
    dev: &Device<Bound>,
    queues: &[Virtqueue<BlkBuffer>],
    segments: u16,
) -> u16 {
    if dev.has_feature(Feature::INDIRECT_DESC) {
        return segments;
    }
    let ring = queues.iter().map(|vq| vq.ring_size()).min().unwrap_or(0);
    fit_ring(segments, ring)
}

/// Fits the limits to the rings of the queues, and returns the number of requests per queue.
pub(crate) fn fit_to_rings(
    dev: &Device<Bound>,
    queues: &[Virtqueue<BlkBuffer>],
    limits: &mut Limits,
) -> u32 {
    let indirect = dev.has_feature(Feature::INDIRECT_DESC);
    limits.set_max_segments(fit_segments(dev, queues, limits.max_segments()));
    match QUEUE_DEPTH.get() {
        // As many as fit the ring, if each request has an indirect table and so takes one
        // descriptor.
        0 => {
            let room = queues.first().map_or(0, |vq| vq.ring_size());
            if indirect { room } else { room / 2 }.max(1)
        }
        depth => depth,
    }
}

/// Makes the tag set: allocates its requests, and maps the CPUs to the queues.
pub(crate) fn make_tag_set(
    split: QueueSplit,
    depth: u32,
    queues: &[Virtqueue<BlkBuffer>],
) -> Result<Arc<TagSet<Blk>>> {
    let mut handles = KVec::with_capacity(split.default.into(), GFP_KERNEL)?;
    for queue in queues.iter().take(split.default.into()) {
        handles.push(queue.handle(), GFP_KERNEL)?;
    }
    let map = KBox::pin_init(
        pin_init!(QueueMap {
            split,
            handles <- new_mutex!(handles),
        }),
        GFP_KERNEL,
    )?;
    let maps = if split.poll == 0 { 1 } else { 3 };
    let set = Arc::pin_init(
        TagSet::<Blk>::new(
            map,
            split.total().into(),
            depth,
            maps,
            REQUEST_TIME.as_millis(),
        ),
        GFP_KERNEL,
    )?;
    // The tag set may live longer than the virtqueues, so it must not keep handles to them.
    set.data().handles.lock().clear();
    Ok(set)
}

#[cfg(CONFIG_RUST_VIRTIO_KUNIT_TEST)]
#[kernel::prelude::kunit_tests(rust_virtio_blk_queues)]
mod tests {
    use super::*;

    #[test]
    fn one_queue_keeps_its_interrupt() {
        for (total, poll, default, polled) in [
            (1, 0, 1, 0),
            (1, 5, 1, 0),
            (4, 0, 4, 0),
            (4, 2, 2, 2),
            (4, 4, 1, 3),
            (4, u32::MAX, 1, 3),
        ] {
            let split = QueueSplit::new(total, poll);
            assert_eq!((split.default, split.poll), (default, polled));
            assert_eq!(split.total(), total);
        }
    }
}
