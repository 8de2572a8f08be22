/* SPDX-License-Identifier: GPL-2.0 */
/* Inline functions, macros and fields of XDP that bindgen cannot reach. */
#ifndef RUST_NET_XDP_HELPERS_H
#define RUST_NET_XDP_HELPERS_H

#include <linux/types.h>

struct bpf_prog;
struct net_device;
struct netdev_bpf;
struct netlink_ext_ack;
struct page_pool;
struct sk_buff;
struct xdp_buff;
struct xdp_frame;
struct xdp_metadata_ops;
struct xdp_rxq_info;

/* As in ../helpers.h. */
#ifdef RUST_VIRTIO_INLINE_HELPERS
#pragma clang attribute push(__attribute__((always_inline)), apply_to = function)
#endif

void rust_helper_rust_ext_ack_set(struct netlink_ext_ack *ack, const char *message);
bool rust_helper_netdev_bpf_is_setup_prog(const struct netdev_bpf *command);
struct bpf_prog *rust_helper_netdev_bpf_prog(const struct netdev_bpf *command);
struct netlink_ext_ack *rust_helper_netdev_bpf_extack(const struct netdev_bpf *command);
void rust_helper_bpf_prog_inc(struct bpf_prog *prog);
void rust_helper_bpf_prog_put(struct bpf_prog *prog);
bool rust_helper_bpf_prog_has_frags(const struct bpf_prog *prog);
void rust_helper_netdev_set_xdp_features(struct net_device *dev, u32 features);
void rust_helper_netdev_set_xdp_metadata_ops(struct net_device *dev,
					     const struct xdp_metadata_ops *ops);
void rust_helper_rust_xdp_set_redirect_target(struct net_device *dev, bool on, bool sg,
					      bool locked);
int rust_helper_rust_xdp_rxq_reg(struct xdp_rxq_info *rxq, struct net_device *dev, u32 queue,
				 struct page_pool *pool);
void rust_helper_xdp_buff_start(struct xdp_buff *xdp, struct xdp_rxq_info *rxq, void *hard_start,
				u32 frame_sz, u32 headroom, u32 len);
void *rust_helper_xdp_buff_put(struct xdp_buff *xdp, u32 len);
bool rust_helper_xdp_buff_add_va(struct xdp_buff *xdp, void *va, u32 len, u32 truesize);
u32 rust_helper_xdp_buff_len(const struct xdp_buff *xdp);
u32 rust_helper_xdp_run(const struct bpf_prog *prog, struct xdp_buff *xdp);
void rust_helper_trace_xdp_exception(const struct net_device *dev, const struct bpf_prog *prog,
				     u32 act);
struct xdp_frame *rust_helper_xdp_convert_buff_to_frame(struct xdp_buff *xdp);
struct sk_buff *rust_helper_xdp_build_skb(const struct xdp_buff *xdp);
u32 rust_helper_xdp_frame_len(const struct xdp_frame *frame);
struct skb_shared_info *rust_helper_xdp_frame_shared_info(const struct xdp_frame *frame);

#ifdef RUST_VIRTIO_INLINE_HELPERS
#pragma clang attribute pop
#endif

#endif
