// SPDX-License-Identifier: GPL-2.0

#include <linux/bpf.h>
#include <linux/dma-mapping.h>
#include <linux/netdevice.h>
#include <linux/skbuff.h>
#include <net/xdp.h>
#include <net/xdp_sock_drv.h>

#include "helpers.h"

/*
 * The Rust code keeps its own fields of a buffer in `cb`, directly behind the
 * struct xdp_buff: 8 bytes and two pointers.
 */
static_assert(offsetof(struct xdp_buff_xsk, cb) == sizeof(struct xdp_buff));
static_assert(sizeof_field(struct xdp_buff_xsk, cb) >= 8 + 2 * sizeof(void *));
static_assert(sizeof(struct xdp_buff) % sizeof(void *) == 0);

/* --- binding --- */

bool rust_helper_netdev_bpf_is_setup_xsk(const struct netdev_bpf *command)
{
	return command->command == XDP_SETUP_XSK_POOL;
}

struct xsk_buff_pool *rust_helper_netdev_bpf_xsk_pool(const struct netdev_bpf *command)
{
	return command->xsk.pool;
}

u16 rust_helper_netdev_bpf_xsk_queue(const struct netdev_bpf *command)
{
	return command->xsk.queue_id;
}

u32 rust_helper_xsk_pool_get_headroom(struct xsk_buff_pool *pool)
{
	return xsk_pool_get_headroom(pool);
}

u32 rust_helper_xsk_pool_get_rx_frame_size(struct xsk_buff_pool *pool)
{
	return xsk_pool_get_rx_frame_size(pool);
}

bool rust_helper_xsk_uses_need_wakeup(struct xsk_buff_pool *pool)
{
	return xsk_uses_need_wakeup(pool);
}

/*
 * A barrier follows: user space that has added a buffer before it read the
 * flag gets the buffer taken by the allocation after this call.
 */
void rust_helper_xsk_set_rx_need_wakeup(struct xsk_buff_pool *pool)
{
	xsk_set_rx_need_wakeup(pool);
	/* Pairs with the barrier of user space between the buffer and the flag. */
	smp_mb();
}

void rust_helper_xsk_clear_rx_need_wakeup(struct xsk_buff_pool *pool)
{
	xsk_clear_rx_need_wakeup(pool);
}

/* Registers a queue whose buffers are from a pool. */
int rust_helper_rust_xsk_rxq_reg(struct xdp_rxq_info *rxq, struct net_device *dev, u32 queue,
				 struct xsk_buff_pool *pool)
{
	int ret = xdp_rxq_info_reg(rxq, dev, queue, 0);

	if (ret)
		return ret;
	ret = xdp_rxq_info_reg_mem_model(rxq, MEM_TYPE_XSK_BUFF_POOL, NULL);
	if (ret) {
		xdp_rxq_info_unreg(rxq);
		return ret;
	}
	xsk_pool_set_rxq_info(pool, rxq);
	return 0;
}

void rust_helper_rust_xsk_rxq_unreg(struct xdp_rxq_info *rxq, struct xsk_buff_pool *pool)
{
	xsk_pool_set_rxq_info(pool, NULL);
	xdp_rxq_info_unreg(rxq);
}

int rust_helper_xsk_pool_dma_map(struct xsk_buff_pool *pool, struct device *dev)
{
	return xsk_pool_dma_map(pool, dev, 0);
}

void rust_helper_xsk_pool_dma_unmap(struct xsk_buff_pool *pool)
{
	xsk_pool_dma_unmap(pool, 0);
}

bool rust_helper_rust_xsk_map_zeroes(struct device *dev, void *zeroes, size_t len,
					dma_addr_t *addr)
{
	*addr = dma_map_single(dev, zeroes, len, DMA_TO_DEVICE);
	return !dma_mapping_error(dev, *addr);
}

void rust_helper_rust_xsk_unmap_zeroes(struct device *dev, dma_addr_t addr, size_t len)
{
	dma_unmap_single(dev, addr, len, DMA_TO_DEVICE);
}

/* --- buffers --- */

u32 rust_helper_xsk_buff_alloc_batch(struct xsk_buff_pool *pool, struct xdp_buff **buffs, u32 max)
{
	return xsk_buff_alloc_batch(pool, buffs, max);
}

void rust_helper_rust_xsk_buff_free(struct xdp_buff *xdp)
{
	/* The packet has no fragments, whichever a program left there. */
	xdp->flags = 0;
	xsk_buff_free(xdp);
}

dma_addr_t rust_helper_xsk_buff_xdp_get_dma(struct xdp_buff *xdp)
{
	return xsk_buff_xdp_get_dma(xdp);
}

/*
 * Gives the device the `before` bytes before the packets of a buffer. The core
 * has given it those of the packets.
 */
void rust_helper_rust_xsk_buff_give(struct xdp_buff *xdp, u32 before)
{
	const struct xdp_buff_xsk *xskb = container_of(xdp, struct xdp_buff_xsk, xdp);

	dma_sync_single_for_device(xskb->pool->dev, xskb->dma - before, before,
				   DMA_BIDIRECTIONAL);
}

/*
 * The device has written `len` bytes, of which `before` are in the headroom of
 * the packet, and at most `most` bytes before the packet.
 */
void rust_helper_rust_xsk_buff_received(struct xdp_buff *xdp, u32 most, u32 before, u32 len)
{
	const struct xdp_buff_xsk *xskb = container_of(xdp, struct xdp_buff_xsk, xdp);

	xdp_prepare_buff(xdp, xdp->data_hard_start, XDP_PACKET_HEADROOM - before, len, true);
	xdp->flags = 0;
	/* xsk_buff_dma_sync_for_cpu() leaves out the bytes before the packet. */
	dma_sync_single_for_cpu(xskb->pool->dev, xskb->dma - most,
				xskb->pool->frame_len + most, DMA_BIDIRECTIONAL);
}

/* Returns the place that is `before` bytes before the packets of a buffer. */
void *rust_helper_rust_xsk_buff_start(const struct xdp_buff *xdp, u32 before)
{
	return xdp->data_hard_start + XDP_PACKET_HEADROOM - before;
}

/* Copies a packet, with its metadata. */
struct sk_buff *rust_helper_rust_xsk_copy_to_skb(struct napi_struct *napi,
						 const struct xdp_buff *xdp)
{
	u32 metadata = xdp->data > xdp->data_meta ? xdp->data - xdp->data_meta : 0;
	u32 len = xdp->data_end - xdp->data + metadata;
	struct sk_buff *skb = napi_alloc_skb(napi, len);

	if (unlikely(!skb))
		return NULL;
	skb_put_data(skb, xdp->data - metadata, len);
	if (metadata) {
		__skb_pull(skb, metadata);
		skb_metadata_set(skb, metadata);
	}
	return skb;
}

/*
 * Copies the bytes of a buffer to the end of a packet that was made by
 * rust_xsk_copy_to_skb(): to the pages after its head, each of which belongs to
 * the packet alone. False if there is no room, or no memory.
 */
bool rust_helper_rust_xsk_append_to_skb(struct sk_buff *skb, const struct xdp_buff *xdp)
{
	u32 left = xdp->data_end - xdp->data;
	const void *from = xdp->data;

	while (left) {
		struct skb_shared_info *info = skb_shinfo(skb);
		u32 n = info->nr_frags, used = 0, part;
		struct page *page;

		if (n)
			used = skb_frag_off(&info->frags[n - 1]) +
			       skb_frag_size(&info->frags[n - 1]);
		if (n && used < PAGE_SIZE) {
			part = min_t(u32, left, PAGE_SIZE - used);
			memcpy(skb_frag_address(&info->frags[n - 1]) + used, from, part);
			/* The whole page is in the truesize of the packet already. */
			skb_frag_size_add(&info->frags[n - 1], part);
			skb->len += part;
			skb->data_len += part;
		} else {
			if (n >= MAX_SKB_FRAGS)
				return false;
			page = dev_alloc_page();
			if (!page)
				return false;
			part = min_t(u32, left, PAGE_SIZE);
			memcpy(page_address(page), from, part);
			skb_add_rx_frag(skb, n, page, 0, part, PAGE_SIZE);
		}
		from += part;
		left -= part;
	}
	return true;
}

/* --- transmission --- */

u32 rust_helper_xsk_tx_peek_release_desc_batch(struct xsk_buff_pool *pool, u32 max)
{
	return xsk_tx_peek_release_desc_batch(pool, max);
}

/* Returns the address of a packet of the last batch, for the device, and its length. */
dma_addr_t rust_helper_rust_xsk_tx_desc(struct xsk_buff_pool *pool, u32 i, u32 *len)
{
	const struct xdp_desc *desc = &pool->tx_descs[i];
	dma_addr_t addr = xsk_buff_raw_get_dma(pool, desc->addr);

	xsk_buff_raw_dma_sync_for_device(pool, addr, desc->len);
	*len = desc->len;
	return addr;
}

void rust_helper_xsk_tx_completed(struct xsk_buff_pool *pool, u32 n)
{
	xsk_tx_completed(pool, n);
}

/* Notes for the watchdog that the queue, which is locked, has sent something. */
void rust_helper_rust_txq_refresh(struct netdev_queue *txq)
{
	txq_trans_cond_update(txq);
}
