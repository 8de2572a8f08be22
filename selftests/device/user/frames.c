// SPDX-License-Identifier: GPL-2.0
/* The frames that the users of an interface send and receive. */

#include <linux/bottom_half.h>
#include <linux/etherdevice.h>
#include <linux/netdevice.h>
#include <linux/skbuff.h>

#include "../helpers.h"

static atomic_t let_go = ATOMIC_INIT(0);

static void note_let_go(struct sk_buff *skb)
{
	atomic_inc(&let_go);
}

/* Returns the number of sent frames that have released their sender. */
u32 rust_virtio_fake_let_go(void)
{
	return atomic_read(&let_go);
}

/*
 * Sends a frame directly to one queue, without the queueing discipline. With
 * csum_start >= 0, the device completes the checksum. With gso_size, the device
 * also segments TCP over IPv4. The stack chooses the queue then, and segments the
 * frame if the device cannot.
 */
int rust_virtio_fake_send(struct net_device *dev, const void *frame, u32 len,
			  u16 queue, u16 gso_size, s32 csum_start,
			  u16 csum_offset)
{
	struct sk_buff *skb;

	/* The code below does not check that the queue exists. */
	if (queue >= dev->num_tx_queues)
		return -EINVAL;
	skb = alloc_skb(LL_RESERVED_SPACE(dev) + NET_IP_ALIGN + len, GFP_KERNEL);
	if (!skb)
		return -ENOMEM;
	skb_reserve(skb, LL_RESERVED_SPACE(dev));
	/* The device would see bytes that the driver does not write. */
	memset(skb->head, 0x6b, skb_headroom(skb));
	skb_put_data(skb, frame, len);
	skb_reset_mac_header(skb);
	skb_set_network_header(skb, ETH_HLEN);
	skb->dev = dev;
	skb->protocol = eth_hdr(skb)->h_proto;
	skb->destructor = note_let_go;
	if (csum_start >= 0 && !skb_partial_csum_set(skb, csum_start,
						     csum_offset)) {
		kfree_skb(skb);
		return -EINVAL;
	}
	if (gso_size) {
		skb_shinfo(skb)->gso_type = SKB_GSO_TCPV4;
		skb_shinfo(skb)->gso_size = gso_size;
		skb_shinfo(skb)->gso_segs = DIV_ROUND_UP(len, gso_size);
		return dev_queue_xmit(skb);
	}
	return dev_direct_xmit(skb, queue);
}

/*
 * Whether the interface leaves the checksum of a packet to the device. The packet
 * may contain another packet, and may have to be segmented, by the device or the
 * stack. Negative if the interface withdraws other offloads than that of
 * checksums.
 */
int rust_virtio_fake_completes(struct net_device *dev, bool encapsulated,
			       bool gso, bool cuts)
{
	netdev_features_t left, all = NETIF_F_SG | NETIF_F_HW_CSUM;
	struct sk_buff *skb = alloc_skb(0, GFP_KERNEL);

	if (!skb)
		return -ENOMEM;
	skb->dev = dev;
	skb->encapsulation = encapsulated;
	skb->ip_summed = CHECKSUM_PARTIAL;
	if (gso) {
		skb_shinfo(skb)->gso_type = SKB_GSO_TCPV4;
		skb_shinfo(skb)->gso_size = 1000;
	}
	if (cuts)
		all |= NETIF_F_TSO;
	left = dev->netdev_ops->ndo_features_check(skb, dev, all);
	kfree_skb(skb);
	if ((left ^ all) & ~NETIF_F_HW_CSUM)
		return -EINVAL;
	return !!(left & NETIF_F_HW_CSUM);
}

/* Returns the length of a received frame, including its Ethernet header. */
u32 rust_virtio_fake_frame_len(const struct sk_buff *skb)
{
	return skb->len + ETH_HLEN;
}

/* Returns the number of these bytes in the head of the packet. */
u32 rust_virtio_fake_frame_linear(const struct sk_buff *skb)
{
	return skb_headlen(skb) + ETH_HLEN;
}

/* Returns the room before the frame for other headers. */
u32 rust_virtio_fake_frame_headroom(const struct sk_buff *skb)
{
	return skb_headroom(skb) - ETH_HLEN;
}

/* Whether its payload is aligned, or the architecture needs no alignment. */
bool rust_virtio_fake_frame_aligned(const struct sk_buff *skb)
{
	return !NET_IP_ALIGN || IS_ALIGNED((unsigned long)skb->data, 4);
}

/* Returns the state of the checksum of a received frame, CHECKSUM_... */
u8 rust_virtio_fake_frame_summed(const struct sk_buff *skb)
{
	return skb->ip_summed;
}

/* Copies a received frame, including its Ethernet header. */
int rust_virtio_fake_frame(const struct sk_buff *skb, void *to, u32 len)
{
	if (len < ETH_HLEN)
		return -EINVAL;
	memcpy(to, skb_mac_header(skb), ETH_HLEN);
	return skb_copy_bits(skb, 0, to + ETH_HLEN, len - ETH_HLEN);
}

void rust_virtio_fake_free(struct sk_buff *skb)
{
	consume_skb(skb);
}

void rust_virtio_fake_bh(bool on)
{
	if (on)
		local_bh_enable();
	else
		local_bh_disable();
}
