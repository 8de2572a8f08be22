/* SPDX-License-Identifier: GPL-2.0 */
/* Tracepoints of the Rust ring: events/rust_virtio_ring in tracefs. */

#undef TRACE_SYSTEM
#define TRACE_SYSTEM rust_virtio_ring

#if !defined(RUST_VIRTIO_RING_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define RUST_VIRTIO_RING_TRACE_H

#include <linux/tracepoint.h>
#include <linux/virtio.h>

/* A buffer was added. The device sees it after the next kick. */
TRACE_EVENT(vring_add,
	TP_PROTO(const struct virtqueue *vq, u32 id, u32 segments, u32 free),
	TP_ARGS(vq, id, segments, free),
	TP_STRUCT__entry(
		__field(int, device)
		__field(u32, queue)
		__field(u32, id)
		__field(u32, segments)
		__field(u32, free)
	),
	TP_fast_assign(
		__entry->device = vq->vdev->index;
		__entry->queue = vq->index;
		__entry->id = id;
		__entry->segments = segments;
		__entry->free = free;
	),
	TP_printk("virtio%d queue=%u id=%u segments=%u free=%u",
		  __entry->device, __entry->queue, __entry->id,
		  __entry->segments, __entry->free)
);

/* A driver kicked. Says whether the device wants a notification. */
TRACE_EVENT(vring_kick,
	TP_PROTO(const struct virtqueue *vq, bool notify),
	TP_ARGS(vq, notify),
	TP_STRUCT__entry(
		__field(int, device)
		__field(u32, queue)
		__field(bool, notify)
	),
	TP_fast_assign(
		__entry->device = vq->vdev->index;
		__entry->queue = vq->index;
		__entry->notify = notify;
	),
	TP_printk("virtio%d queue=%u %s", __entry->device, __entry->queue,
		  __entry->notify ? "notify" : "suppressed")
);

/* A used buffer was taken. */
TRACE_EVENT(vring_get_buf,
	TP_PROTO(const struct virtqueue *vq, u32 id, u32 len),
	TP_ARGS(vq, id, len),
	TP_STRUCT__entry(
		__field(int, device)
		__field(u32, queue)
		__field(u32, id)
		__field(u32, len)
	),
	TP_fast_assign(
		__entry->device = vq->vdev->index;
		__entry->queue = vq->index;
		__entry->id = id;
		__entry->len = len;
	),
	TP_printk("virtio%d queue=%u id=%u len=%u", __entry->device,
		  __entry->queue, __entry->id, __entry->len)
);

/* The callback of the driver is called for an interrupt. */
TRACE_EVENT(vring_callback,
	TP_PROTO(const struct virtqueue *vq),
	TP_ARGS(vq),
	TP_STRUCT__entry(
		__field(int, device)
		__field(u32, queue)
	),
	TP_fast_assign(
		__entry->device = vq->vdev->index;
		__entry->queue = vq->index;
	),
	TP_printk("virtio%d queue=%u", __entry->device, __entry->queue)
);

/* The device broke the rules of the ring: the queue is broken. */
TRACE_EVENT(vring_broken,
	TP_PROTO(const struct virtqueue *vq, u32 reason, u32 value, u32 limit),
	TP_ARGS(vq, reason, value, limit),
	TP_STRUCT__entry(
		__field(int, device)
		__field(u32, queue)
		__field(u32, reason)
		__field(u32, value)
		__field(u32, limit)
	),
	TP_fast_assign(
		__entry->device = vq->vdev->index;
		__entry->queue = vq->index;
		__entry->reason = reason;
		__entry->value = value;
		__entry->limit = limit;
	),
	TP_printk("virtio%d queue=%u %s value=%u limit=%u", __entry->device,
		  __entry->queue,
		  __print_symbolic(__entry->reason,
				   { 1, "declared" },
				   { 2, "id-out-of-range" },
				   { 3, "not-outstanding" },
				   { 4, "index-jump" },
				   { 5, "wrong-batch" },
				   { 6, "internal" }),
		  __entry->value, __entry->limit)
);

#endif

/* This part must be outside protection */
#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
