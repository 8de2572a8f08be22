/* SPDX-License-Identifier: GPL-2.0 */
/* The functions by which Rust code traces, where the tracepoint is on. */
#ifndef RUST_VIRTIO_RING_TRACE_RUST_H
#define RUST_VIRTIO_RING_TRACE_RUST_H

#include <linux/types.h>

struct virtqueue;

void rust_do_trace_vring_add(const struct virtqueue *vq, u32 id, u32 segments,
			     u32 free);
void rust_do_trace_vring_kick(const struct virtqueue *vq, bool notify);
void rust_do_trace_vring_get_buf(const struct virtqueue *vq, u32 id, u32 len);
void rust_do_trace_vring_callback(const struct virtqueue *vq);
void rust_do_trace_vring_broken(const struct virtqueue *vq, u32 reason,
				u32 value, u32 limit);

#endif
