/* SPDX-License-Identifier: GPL-2.0 */
/* AF_XDP sockets of the tests. */
#ifndef RUST_VIRTIO_FAKE_XSK_H
#define RUST_VIRTIO_FAKE_XSK_H

#include <linux/types.h>

struct net_device;
struct rust_virtio_fake_xsk;

/* The properties of a socket. */
struct rust_virtio_fake_xsk_spec {
	u32 queue;
	/* XDP_ZEROCOPY, XDP_COPY, XDP_USE_NEED_WAKEUP. */
	u16 flags;
	u32 chunk_size;
	u32 headroom;
	bool unaligned;
};

/* The rings of a socket. */
enum rust_virtio_fake_xsk_ring {
	RUST_VIRTIO_FAKE_XSK_RX,
	RUST_VIRTIO_FAKE_XSK_TX,
	RUST_VIRTIO_FAKE_XSK_FILL,
	RUST_VIRTIO_FAKE_XSK_COMPLETION,
};

struct rust_virtio_fake_xsk *
rust_virtio_fake_xsk_new(struct net_device *dev, const struct rust_virtio_fake_xsk_spec *spec,
			 int *error);
bool rust_virtio_fake_xsk_close(struct rust_virtio_fake_xsk *xsk);
void rust_virtio_fake_xsk_leave(struct rust_virtio_fake_xsk *xsk);
bool rust_virtio_fake_xsk_is_zero_copy(const struct rust_virtio_fake_xsk *xsk);
void *rust_virtio_fake_xsk_socket(const struct rust_virtio_fake_xsk *xsk);
bool rust_virtio_fake_xsk_push(struct rust_virtio_fake_xsk *xsk,
			       enum rust_virtio_fake_xsk_ring ring, u64 addr, u32 len);
void rust_virtio_fake_xsk_jump(struct rust_virtio_fake_xsk *xsk,
			       enum rust_virtio_fake_xsk_ring ring, u32 entries);
bool rust_virtio_fake_xsk_pop(struct rust_virtio_fake_xsk *xsk,
			      enum rust_virtio_fake_xsk_ring ring, u64 *addr, u32 *len);
u32 rust_virtio_fake_xsk_flags(struct rust_virtio_fake_xsk *xsk,
			       enum rust_virtio_fake_xsk_ring ring);
u8 *rust_virtio_fake_xsk_memory(struct rust_virtio_fake_xsk *xsk, u64 addr, u32 len);
int rust_virtio_fake_xsk_wake(struct rust_virtio_fake_xsk *xsk, bool rx);

#endif
