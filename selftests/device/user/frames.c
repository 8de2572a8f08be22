// SPDX-License-Identifier: GPL-2.0
/* The frames that the users of an interface send and receive. */

#include <linux/bottom_half.h>
#include <linux/etherdevice.h>
#include <linux/netdevice.h>
#include <linux/skbuff.h>
#include <linux/string.h>
#include <net/dst_metadata.h>

#include "../helpers.h"

/* The bytes of headroom that no code has written. */
#define DIRT 0x6b

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

/* A frame behind headroom whose bytes the device would see if the driver does not write them. */
static struct sk_buff *new_frame(struct net_device *dev, const void *frame,
				 u32 len)
{
	struct sk_buff *skb;

	skb = alloc_skb(LL_RESERVED_SPACE(dev) + NET_IP_ALIGN + len, GFP_KERNEL);
	if (!skb)
		return NULL;
	skb_reserve(skb, LL_RESERVED_SPACE(dev));
	memset(skb->head, DIRT, skb_headroom(skb));
	skb_put_data(skb, frame, len);
	skb_reset_mac_header(skb);
	skb_set_network_header(skb, ETH_HLEN);
	skb->dev = dev;
	skb->protocol = eth_hdr(skb)->h_proto;
	skb->destructor = note_let_go;
	return skb;
}

/*
 * Sends a clone of a frame on the first queue. Returns 1 if the driver wrote to the
 * headroom, which the frame and the clone share.
 */
int rust_virtio_fake_send_clone(struct net_device *dev, const void *frame,
				u32 len)
{
	struct sk_buff *clone, *skb = new_frame(dev, frame, len);
	int ret = -ENOMEM;

	if (!skb)
		return ret;
	clone = skb_clone(skb, GFP_KERNEL);
	if (clone)
		ret = dev_direct_xmit(clone, 0) ? -EBUSY : 0;
	if (!ret && memchr_inv(skb->head, DIRT, skb_headroom(skb)))
		ret = 1;
	kfree_skb(skb);
	return ret;
}

static atomic_t given_back = ATOMIC_INIT(0);

static void give_back(struct sk_buff *skb, struct ubuf_info *ubuf, bool success)
{
	atomic_inc(&given_back);
}

static const struct ubuf_info_ops page_ops = { .complete = give_back };

/* The owner of the pages of frames. Outlives all of them. */
static struct ubuf_info page_owner = {
	.ops = &page_ops,
	.flags = SKBFL_ZEROCOPY_FRAG,
};

/*
 * Sends a frame on the first queue that holds a route, and has a page of user space
 * behind these bytes. Tells which of these the driver has given back on return.
 */
int rust_virtio_fake_send_owned(struct net_device *dev, const void *frame,
				u32 len, bool *no_route, bool *no_pages)
{
	struct sk_buff *skb = new_frame(dev, frame, len);
	struct page *page = alloc_page(GFP_KERNEL | __GFP_ZERO);
	int before = atomic_read(&given_back);
	struct metadata_dst *route;
	int ret;

	route = metadata_dst_alloc(0, METADATA_HW_PORT_MUX, GFP_KERNEL);
	if (!skb || !page || !route) {
		kfree_skb(skb);
		if (page)
			put_page(page);
		if (route)
			dst_release(&route->dst);
		return -ENOMEM;
	}
	skb_fill_page_desc(skb, 0, page, 0, 100);
	skb->len += 100;
	skb->data_len += 100;
	skb->truesize += PAGE_SIZE;
	skb_zcopy_init(skb, &page_owner);
	dst_hold(&route->dst);
	skb_dst_set(skb, &route->dst);
	ret = dev_direct_xmit(skb, 0) ? -EBUSY : 0;
	*no_route = rcuref_read(&route->dst.__rcuref) == 1;
	*no_pages = atomic_read(&given_back) != before;
	dst_release(&route->dst);
	return ret;
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
	skb = new_frame(dev, frame, len);
	if (!skb)
		return -ENOMEM;
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
 * Sends a frame that the device segments: TCP over IPv4 with ECN, or UDP. The stack
 * chooses the queue, and segments the frame if the device cannot.
 */
int rust_virtio_fake_send_segments(struct net_device *dev, const void *frame,
				   u32 len, bool tcp, u16 gso_size, u16 start,
				   u16 offset)
{
	struct sk_buff *skb = new_frame(dev, frame, len);

	if (!skb)
		return -ENOMEM;
	if (!skb_partial_csum_set(skb, start, offset)) {
		kfree_skb(skb);
		return -EINVAL;
	}
	skb_shinfo(skb)->gso_type = tcp ? SKB_GSO_TCPV4 | SKB_GSO_TCP_ECN :
					  SKB_GSO_UDP_L4;
	skb_shinfo(skb)->gso_size = gso_size;
	skb_shinfo(skb)->gso_segs = DIV_ROUND_UP(len, gso_size);
	return dev_queue_xmit(skb);
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

/* Returns the receive queue that the driver recorded for a frame; negative if it recorded none. */
int rust_virtio_fake_frame_queue(const struct sk_buff *skb)
{
	return skb_rx_queue_recorded(skb) ? skb_get_rx_queue(skb) : -1;
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

/*
 * Returns the hash that a received frame came with, or 0. Sets `with_ports` if the
 * hash is of addresses and ports.
 */
u32 rust_virtio_fake_frame_hash(const struct sk_buff *skb, bool *with_ports)
{
	*with_ports = skb->l4_hash;
	return skb_get_hash_raw(skb);
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
