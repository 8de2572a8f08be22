// SPDX-License-Identifier: GPL-2.0
/* Packets in UDP tunnels that the users of an interface send and receive. */

#include <linux/etherdevice.h>
#include <linux/netdevice.h>
#include <linux/skbuff.h>

#include "../helpers.h"

/*
 * Sends a frame, a TCP packet in a VXLAN tunnel, whose packets the device
 * segments; the stack does that if the device cannot. The checksum of TCP is
 * partial, and with `csum` also that of each datagram.
 */
int rust_virtio_fake_send_tunnel(struct net_device *dev, const void *frame,
				 u32 len,
				 const struct rust_virtio_fake_tunnel *tunnel)
{
	struct sk_buff *skb;

	skb = alloc_skb(LL_RESERVED_SPACE(dev) + len, GFP_KERNEL);
	if (!skb)
		return -ENOMEM;
	skb_reserve(skb, LL_RESERVED_SPACE(dev));
	/* The device would see bytes that the driver does not write. */
	memset(skb->head, 0x6b, skb_headroom(skb));
	skb_put_data(skb, frame, len);
	skb_reset_mac_header(skb);
	skb_set_network_header(skb, ETH_HLEN);
	skb_set_transport_header(skb, tunnel->outer_transport);
	skb_set_inner_mac_header(skb, tunnel->inner_network - ETH_HLEN);
	skb_set_inner_network_header(skb, tunnel->inner_network);
	skb_set_inner_transport_header(skb, tunnel->inner_transport);
	skb_set_inner_protocol(skb, htons(ETH_P_TEB));
	skb->encapsulation = 1;
	skb->dev = dev;
	skb->protocol = eth_hdr(skb)->h_proto;
	skb->ip_summed = CHECKSUM_PARTIAL;
	skb->csum_start = skb_headroom(skb) + tunnel->inner_transport;
	skb->csum_offset = 16;
	skb_shinfo(skb)->gso_type = SKB_GSO_TCPV4 |
				    (tunnel->csum ? SKB_GSO_UDP_TUNNEL_CSUM :
						    SKB_GSO_UDP_TUNNEL);
	skb_shinfo(skb)->gso_size = tunnel->gso_size;
	skb_shinfo(skb)->gso_segs = DIV_ROUND_UP(len, tunnel->gso_size);
	return dev_queue_xmit(skb);
}

/* Describes the tunnel of a received frame, whose headers count from its start. */
void rust_virtio_fake_frame_tunnel(const struct sk_buff *skb,
				   struct rust_virtio_fake_tunnel *tunnel)
{
	const int skip = skb_mac_header(skb) - skb->data;
	const unsigned int type = skb_shinfo(skb)->gso_type;

	tunnel->encapsulated = skb->encapsulation;
	/* Few received packets have one; debug kernels warn of the question. */
	tunnel->outer_transport = skb_transport_header_was_set(skb) ?
				  skb_transport_offset(skb) - skip : 0;
	tunnel->inner_network = skb_inner_network_offset(skb) - skip;
	tunnel->inner_transport = skb_inner_transport_offset(skb) - skip;
	tunnel->gso_size = skb_shinfo(skb)->gso_size;
	tunnel->in_tunnel = type & (SKB_GSO_UDP_TUNNEL |
				    SKB_GSO_UDP_TUNNEL_CSUM);
	tunnel->csum = type & SKB_GSO_UDP_TUNNEL_CSUM;
	tunnel->csum_level = skb->csum_level;
}

void rust_virtio_fake_tunnel_features(struct net_device *dev,
				      struct rust_virtio_fake_tunnel_features *to)
{
	to->gso = dev->features & NETIF_F_GSO_UDP_TUNNEL;
	to->gso_csum = dev->features & NETIF_F_GSO_UDP_TUNNEL_CSUM;
	to->inner_gso = dev->hw_enc_features & NETIF_F_GSO_UDP_TUNNEL;
	to->inner_gso_csum = dev->hw_enc_features & NETIF_F_GSO_UDP_TUNNEL_CSUM;
	to->inner_tso = dev->hw_enc_features & NETIF_F_TSO;
	to->inner_csum = dev->hw_enc_features & NETIF_F_HW_CSUM;
}
