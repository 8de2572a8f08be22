// SPDX-License-Identifier: GPL-2.0

#include <linux/bpf.h>
#include <linux/bpf_trace.h>
#include <linux/filter.h>
#include <linux/netdevice.h>
#include <linux/netlink.h>
#include <linux/skbuff.h>
#include <net/netdev_lock.h>
#include <net/page_pool/helpers.h>
#include <net/xdp.h>

#include "helpers.h"

void rust_helper_rust_ext_ack_set(struct netlink_ext_ack *ack, const char *message)
{
	do_trace_netlink_extack(message);
	if (ack)
		ack->_msg = message;
}

/* --- programs --- */

bool rust_helper_netdev_bpf_is_setup_prog(const struct netdev_bpf *command)
{
	return command->command == XDP_SETUP_PROG;
}

struct bpf_prog *rust_helper_netdev_bpf_prog(const struct netdev_bpf *command)
{
	return command->prog;
}

struct netlink_ext_ack *rust_helper_netdev_bpf_extack(const struct netdev_bpf *command)
{
	return command->extack;
}

void rust_helper_bpf_prog_inc(struct bpf_prog *prog)
{
	bpf_prog_inc(prog);
}

void rust_helper_bpf_prog_put(struct bpf_prog *prog)
{
	bpf_prog_put(prog);
}

bool rust_helper_bpf_prog_has_frags(const struct bpf_prog *prog)
{
	return prog->aux->xdp_has_frags;
}

/* --- interfaces and their queues --- */

void rust_helper_netdev_set_xdp_features(struct net_device *dev, u32 features)
{
	dev->xdp_features = features;
}

void rust_helper_netdev_set_xdp_metadata_ops(struct net_device *dev,
					     const struct xdp_metadata_ops *ops)
{
	dev->xdp_metadata_ops = ops;
}

/* locked: the lock of the device is held. */
void rust_helper_rust_xdp_set_redirect_target(struct net_device *dev, bool on, bool sg,
					      bool locked)
{
	if (!locked)
		netdev_lock(dev);
	if (on)
		xdp_features_set_redirect_target_locked(dev, sg);
	else
		xdp_features_clear_redirect_target_locked(dev);
	if (!locked)
		netdev_unlock(dev);
}

/* Registers a queue whose buffers are from a page pool. */
int rust_helper_rust_xdp_rxq_reg(struct xdp_rxq_info *rxq, struct net_device *dev, u32 queue,
				 struct page_pool *pool)
{
	int ret = xdp_rxq_info_reg(rxq, dev, queue, 0);

	if (ret)
		return ret;
	ret = xdp_rxq_info_reg_mem_model(rxq, MEM_TYPE_PAGE_POOL, pool);
	if (ret)
		xdp_rxq_info_unreg(rxq);
	return ret;
}

/* --- xdp_buff --- */

void rust_helper_xdp_buff_start(struct xdp_buff *xdp, struct xdp_rxq_info *rxq, void *hard_start,
				u32 frame_sz, u32 headroom, u32 len)
{
	xdp_init_buff(xdp, frame_sz, rxq);
	xdp_prepare_buff(xdp, hard_start, headroom, len, true);
}

/* Returns the memory for `len` more bytes in the first buffer, or NULL if there is no room. */
void *rust_helper_xdp_buff_put(struct xdp_buff *xdp, u32 len)
{
	void *to = xdp->data_end;

	if (xdp_buff_has_frags(xdp) || len > xdp_data_hard_end(xdp) - to)
		return NULL;
	xdp->data_end += len;
	return to;
}

/* Adds a fragment of a page. False if there are too many. */
bool rust_helper_xdp_buff_add_va(struct xdp_buff *xdp, void *va, u32 len, u32 truesize)
{
	struct page *page = virt_to_head_page(va);

	return xdp_buff_add_frag(xdp, page_to_netmem(page), va - page_address(page), len,
				 truesize);
}

u32 rust_helper_xdp_buff_len(const struct xdp_buff *xdp)
{
	return xdp_get_buff_len(xdp);
}

u32 rust_helper_xdp_run(const struct bpf_prog *prog, struct xdp_buff *xdp)
{
	return bpf_prog_run_xdp(prog, xdp);
}

void rust_helper_trace_xdp_exception(const struct net_device *dev, const struct bpf_prog *prog,
				     u32 act)
{
	trace_xdp_exception(dev, prog, act);
}

struct xdp_frame *rust_helper_xdp_convert_buff_to_frame(struct xdp_buff *xdp)
{
	return xdp_convert_buff_to_frame(xdp);
}

/* Builds a packet around a frame of a page pool. The packet has the fragments and metadata. */
struct sk_buff *rust_helper_xdp_build_skb(const struct xdp_buff *xdp)
{
	const struct skb_shared_info *info = xdp_get_shared_info_from_buff(xdp);
	bool has_frags = xdp_buff_has_frags(xdp);
	u32 size = 0, truesize = 0;
	struct sk_buff *skb;
	long metadata;
	u8 frags = 0;

	if (unlikely(xdp->data_end > xdp_data_hard_end(xdp)))
		return NULL;
	/* Building the packet clears these fields. */
	if (has_frags) {
		frags = info->nr_frags;
		size = info->xdp_frags_size;
		truesize = info->xdp_frags_truesize;
	}
	skb = napi_build_skb(xdp->data_hard_start, xdp->frame_sz);
	if (unlikely(!skb))
		return NULL;
	skb_reserve(skb, xdp->data - xdp->data_hard_start);
	__skb_put(skb, xdp->data_end - xdp->data);
	metadata = xdp->data - xdp->data_meta;
	if (metadata > 0)
		skb_metadata_set(skb, metadata);
	skb_mark_for_recycle(skb);
	if (has_frags)
		xdp_update_skb_frags_info(skb, frags, size, truesize, xdp_buff_get_skb_flags(xdp));
	return skb;
}

/* --- xdp_frame --- */

u32 rust_helper_xdp_frame_len(const struct xdp_frame *frame)
{
	return xdp_get_frame_len(frame);
}

/* Returns the list of fragments, or NULL if there is none. */
struct skb_shared_info *rust_helper_xdp_frame_shared_info(const struct xdp_frame *frame)
{
	if (!xdp_frame_has_frags(frame))
		return NULL;
	return xdp_get_shared_info_from_frame(frame);
}
