// SPDX-License-Identifier: GPL-2.0
/* The packets of an interface that are dropped, by reason. */

#include <linux/netdevice.h>
#include <linux/skbuff.h>
#include <linux/slab.h>
#include <trace/events/skb.h>

#include "../helpers.h"

struct rust_virtio_fake_drops {
	const struct net_device *dev;
	atomic_t counts[SKB_DROP_REASON_MAX];
};

static void note_drop(void *data, struct sk_buff *skb, void *location,
		      enum skb_drop_reason reason, const struct sock *rx_sk)
{
	struct rust_virtio_fake_drops *drops = data;

	if (skb->dev == drops->dev && reason < SKB_DROP_REASON_MAX)
		atomic_inc(&drops->counts[reason]);
}

/* Counts until rust_virtio_fake_drops_end(). NULL if there is no memory. */
struct rust_virtio_fake_drops *
rust_virtio_fake_drops_begin(const struct net_device *dev)
{
	struct rust_virtio_fake_drops *drops = kzalloc(sizeof(*drops), GFP_KERNEL);

	if (!drops)
		return NULL;
	drops->dev = dev;
	if (IS_ENABLED(CONFIG_TRACEPOINTS) && register_trace_kfree_skb(note_drop, drops)) {
		kfree(drops);
		return NULL;
	}
	return drops;
}

u32 rust_virtio_fake_drops_count(const struct rust_virtio_fake_drops *drops,
				 u32 reason)
{
	return reason < SKB_DROP_REASON_MAX ? atomic_read(&drops->counts[reason]) : 0;
}

void rust_virtio_fake_drops_end(struct rust_virtio_fake_drops *drops)
{
	unregister_trace_kfree_skb(note_drop, drops);
	tracepoint_synchronize_unregister();
	kfree(drops);
}
