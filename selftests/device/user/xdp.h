/* SPDX-License-Identifier: GPL-2.0 */
/* XDP programs of the tests. */
#ifndef RUST_VIRTIO_FAKE_XDP_H
#define RUST_VIRTIO_FAKE_XDP_H

#include <linux/types.h>

struct bpf_prog;
struct net_device;
struct sk_buff;

/* The actions of a program. */
struct rust_virtio_fake_xdp_actions {
	u32 verdict;
	/* Bytes to remove from the start of the packet; negative to add some. */
	s32 head;
	/* Bytes of metadata to put before the packet. */
	u32 metadata;
	/* The interface to redirect to. */
	int ifindex;
	/* Whether the program takes packets in several buffers. */
	bool frags;
	/* Whether to exchange the addresses. */
	bool turn;
	/* The AF_XDP socket to redirect to, or NULL. */
	void *socket;
};

/* The packets that a program got, and the last of them. */
struct rust_virtio_fake_xdp_seen {
	u32 count;
	u32 len;
	u32 frags;
	u32 headroom;
	u32 queue;
	/* The sum of all bytes. */
	u32 sum;
	/* The result of asking for the hash, and the hash. */
	int hash_ret;
	u32 hash;
	u32 hash_type;
};

struct bpf_prog *rust_virtio_fake_xdp_new(const struct rust_virtio_fake_xdp_actions *actions);
void rust_virtio_fake_xdp_seen(const struct bpf_prog *prog,
			       struct rust_virtio_fake_xdp_seen *seen);
s64 rust_virtio_fake_xdp_references(const struct bpf_prog *prog);
void rust_virtio_fake_xdp_free(struct bpf_prog *prog);
u32 rust_virtio_fake_xdp_exceptions(const struct bpf_prog *prog);
int rust_virtio_fake_set_xdp(struct net_device *dev, struct bpf_prog *prog, char *message,
			     size_t room);
int rust_virtio_fake_xdp_xmit_none(struct net_device *dev, u32 flags);

struct rust_virtio_fake_frames;

struct rust_virtio_fake_frames *rust_virtio_fake_frames_new(u32 count);
void rust_virtio_fake_frames_free(struct rust_virtio_fake_frames *frames);
u32 rust_virtio_fake_frames_owned(const struct rust_virtio_fake_frames *frames);
int rust_virtio_fake_frames_xmit(struct net_device *dev, struct rust_virtio_fake_frames *frames,
				 u32 len, u32 flags);

u64 rust_virtio_fake_xdp_features(const struct net_device *dev);
int rust_virtio_fake_ifindex(const struct net_device *dev);
u32 rust_virtio_fake_frame_metadata(const struct sk_buff *skb);

#endif
