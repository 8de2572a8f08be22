/* SPDX-License-Identifier: GPL-2.0 */
/* Inline functions, macros and fields of AF_XDP that bindgen cannot reach. */
#ifndef RUST_NET_XSK_HELPERS_H
#define RUST_NET_XSK_HELPERS_H

#include <linux/types.h>

struct device;
struct napi_struct;
struct net_device;
struct netdev_bpf;
struct netdev_queue;
struct sk_buff;
struct xdp_buff;
struct xdp_rxq_info;
struct xsk_buff_pool;

/* As in ../helpers.h. */
#ifdef RUST_VIRTIO_INLINE_HELPERS
#pragma clang attribute push(__attribute__((always_inline)), apply_to = function)
#endif

bool rust_helper_netdev_bpf_is_setup_xsk(const struct netdev_bpf *command);
struct xsk_buff_pool *rust_helper_netdev_bpf_xsk_pool(const struct netdev_bpf *command);
u16 rust_helper_netdev_bpf_xsk_queue(const struct netdev_bpf *command);
u32 rust_helper_xsk_pool_get_headroom(struct xsk_buff_pool *pool);
u32 rust_helper_xsk_pool_get_rx_frame_size(struct xsk_buff_pool *pool);
bool rust_helper_xsk_uses_need_wakeup(struct xsk_buff_pool *pool);
void rust_helper_xsk_set_rx_need_wakeup(struct xsk_buff_pool *pool);
void rust_helper_xsk_clear_rx_need_wakeup(struct xsk_buff_pool *pool);
int rust_helper_rust_xsk_rxq_reg(struct xdp_rxq_info *rxq, struct net_device *dev, u32 queue,
				 struct xsk_buff_pool *pool);
void rust_helper_rust_xsk_rxq_unreg(struct xdp_rxq_info *rxq, struct xsk_buff_pool *pool);
int rust_helper_xsk_pool_dma_map(struct xsk_buff_pool *pool, struct device *dev);
void rust_helper_xsk_pool_dma_unmap(struct xsk_buff_pool *pool);
bool rust_helper_rust_xsk_map_zeroes(struct device *dev, void *zeroes, size_t len,
					dma_addr_t *addr);
void rust_helper_rust_xsk_unmap_zeroes(struct device *dev, dma_addr_t addr, size_t len);
u32 rust_helper_xsk_buff_alloc_batch(struct xsk_buff_pool *pool, struct xdp_buff **buffs, u32 max);
void rust_helper_rust_xsk_buff_free(struct xdp_buff *xdp);
dma_addr_t rust_helper_xsk_buff_xdp_get_dma(struct xdp_buff *xdp);
void rust_helper_rust_xsk_buff_give(struct xdp_buff *xdp, u32 before);
void rust_helper_rust_xsk_buff_received(struct xdp_buff *xdp, u32 most, u32 before, u32 len);
void *rust_helper_rust_xsk_buff_start(const struct xdp_buff *xdp, u32 before);
struct sk_buff *rust_helper_rust_xsk_copy_to_skb(struct napi_struct *napi,
						 const struct xdp_buff *xdp);
bool rust_helper_rust_xsk_append_to_skb(struct sk_buff *skb, const struct xdp_buff *xdp);
u32 rust_helper_xsk_tx_peek_release_desc_batch(struct xsk_buff_pool *pool, u32 max);
dma_addr_t rust_helper_rust_xsk_tx_desc(struct xsk_buff_pool *pool, u32 i, u32 *len);
void rust_helper_xsk_tx_completed(struct xsk_buff_pool *pool, u32 n);
void rust_helper_rust_txq_refresh(struct netdev_queue *txq);

#ifdef RUST_VIRTIO_INLINE_HELPERS
#pragma clang attribute pop
#endif

#endif
