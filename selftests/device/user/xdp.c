// SPDX-License-Identifier: GPL-2.0
/*
 * XDP programs of the tests. A program is a function in C, because the kernel loads instructions
 * only for user space.
 */

#include <linux/bpf.h>
#include <linux/bpf_trace.h>
#include <linux/etherdevice.h>
#include <linux/filter.h>
#include <linux/netdevice.h>
#include <linux/rtnetlink.h>
#include <net/netdev_lock.h>
#include <net/xdp.h>

#include "xdp.h"

struct state {
	struct rust_virtio_fake_xdp_actions actions;
	struct rust_virtio_fake_xdp_seen seen;
	/* The number of exceptions that were reported. */
	atomic_t exceptions;
};

/* The place of the instructions has the address of the state. */
static struct state *state_of(const struct bpf_insn *insn)
{
	return *(struct state *const *)insn;
}

static u32 sum_of(const u8 *bytes, u32 len)
{
	u32 sum = 0;

	while (len--)
		sum += *bytes++;
	return sum;
}

/* As bpf_xdp_metadata_rx_hash() does in a program that is bound to the device. */
static int ask_hash(const struct xdp_buff *xdp, struct rust_virtio_fake_xdp_seen *seen)
{
	const struct xdp_metadata_ops *ops = xdp->rxq->dev->xdp_metadata_ops;
	enum xdp_rss_hash_type type = 0;
	int ret;

	if (!ops || !ops->xmo_rx_hash)
		return -EOPNOTSUPP;
	ret = ops->xmo_rx_hash((const struct xdp_md *)xdp, &seen->hash, &type);
	seen->hash_type = type;
	return ret;
}

static void look(const struct xdp_buff *xdp, struct rust_virtio_fake_xdp_seen *seen)
{
	const struct skb_shared_info *info = xdp_get_shared_info_from_buff(xdp);
	u32 sum = sum_of(xdp->data, xdp->data_end - xdp->data);
	u32 frags = xdp_buff_has_frags(xdp) ? info->nr_frags : 0;

	for (u32 i = 0; i < frags; i++)
		sum += sum_of(skb_frag_address(&info->frags[i]), skb_frag_size(&info->frags[i]));
	seen->len = xdp_get_buff_len(xdp);
	seen->frags = frags;
	seen->headroom = xdp->data - xdp->data_hard_start;
	seen->queue = xdp->rxq->queue_index;
	seen->sum = sum;
	seen->hash_ret = ask_hash(xdp, seen);
	/* Pairs with the acquire of the test. */
	smp_store_release(&seen->count, seen->count + 1);
}

static void redirect(const struct xdp_buff *xdp, int ifindex, void *socket)
{
	struct bpf_redirect_info *ri = bpf_net_ctx_get_ri();

	ri->flags = 0;
	if (socket) {
		/* As bpf_redirect_map() does. */
		ri->tgt_value = socket;
		ri->tgt_index = xdp->rxq->queue_index;
		ri->map_id = INT_MAX - 1;
		ri->map_type = BPF_MAP_TYPE_XSKMAP;
		return;
	}
	/* As bpf_redirect() does. */
	ri->tgt_index = ifindex;
	ri->map_id = INT_MAX;
	ri->map_type = BPF_MAP_TYPE_UNSPEC;
}

static unsigned int run(const void *ctx, const struct bpf_insn *insn)
{
	struct xdp_buff *xdp = (struct xdp_buff *)ctx;
	struct state *state = state_of(insn);
	const struct rust_virtio_fake_xdp_actions *actions = &state->actions;
	u8 old[ETH_ALEN], *data;

	look(xdp, &state->seen);
	if (actions->turn) {
		data = xdp->data;
		ether_addr_copy(old, data);
		memcpy(data, data + ETH_ALEN, ETH_ALEN);
		memcpy(data + ETH_ALEN, old, ETH_ALEN);
	}
	if (actions->head < 0)
		memset(xdp->data + actions->head, 0xaa, -actions->head);
	xdp->data += actions->head;
	xdp->data_meta = xdp->data - actions->metadata;
	memset(xdp->data_meta, 0x5a, actions->metadata);
	if (actions->verdict == XDP_REDIRECT)
		redirect(xdp, actions->ifindex, actions->socket);
	return actions->verdict;
}

static void note_exception(void *data, const struct net_device *dev, const struct bpf_prog *prog,
			   u32 action)
{
	struct state *state = data;

	/* Not those of other programs. */
	if (prog->bpf_func == run && state_of(prog->insnsi) == state)
		atomic_inc(&state->exceptions);
}

/* Returns the number of exceptions that were reported for a program. */
u32 rust_virtio_fake_xdp_exceptions(const struct bpf_prog *prog)
{
	return atomic_read(&state_of(prog->insnsi)->exceptions);
}

/* Returns a program, or NULL if there is no memory. */
struct bpf_prog *rust_virtio_fake_xdp_new(const struct rust_virtio_fake_xdp_actions *actions)
{
	struct bpf_prog *prog = bpf_prog_alloc(bpf_prog_size(2), 0);
	struct state *state = kzalloc(sizeof(*state), GFP_KERNEL);

	if (!prog || !state) {
		if (prog)
			bpf_prog_free(prog);
		kfree(state);
		return NULL;
	}
	state->actions = *actions;
	*(struct state **)prog->insnsi = state;
	prog->type = BPF_PROG_TYPE_XDP;
	prog->bpf_func = run;
	prog->aux->xdp_has_frags = actions->frags;
	atomic64_set(&prog->aux->refcnt, 1);
	register_trace_xdp_exception(note_exception, state);
	return prog;
}

void rust_virtio_fake_xdp_seen(const struct bpf_prog *prog,
			       struct rust_virtio_fake_xdp_seen *seen)
{
	const struct state *state = state_of(prog->insnsi);
	/* Pairs with the release of the program. */
	u32 count = smp_load_acquire(&state->seen.count);

	*seen = state->seen;
	seen->count = count;
}

s64 rust_virtio_fake_xdp_references(const struct bpf_prog *prog)
{
	return atomic64_read(&prog->aux->refcnt);
}

/* The program must have no user left. */
void rust_virtio_fake_xdp_free(struct bpf_prog *prog)
{
	struct state *state = state_of(prog->insnsi);

	unregister_trace_xdp_exception(note_exception, state);
	tracepoint_synchronize_unregister();
	synchronize_net();
	bpf_prog_free(prog);
	kfree(state);
}

static int set_xdp(struct net_device *dev, struct bpf_prog *prog, struct netlink_ext_ack *ack)
{
	struct netdev_bpf command = {
		.command = XDP_SETUP_PROG,
		.prog = prog,
		.extack = ack,
	};
	int ret;

	if (!dev->netdev_ops->ndo_bpf)
		return -EOPNOTSUPP;
	/* As dev_xdp_install(). */
	if (prog)
		bpf_prog_inc(prog);
	netdev_lock_ops(dev);
	ret = dev->netdev_ops->ndo_bpf(dev, &command);
	netdev_unlock_ops(dev);
	if (ret && prog)
		bpf_prog_put(prog);
	return ret;
}

/* Attaches a program, or detaches it. Copies the message of the driver. */
int rust_virtio_fake_set_xdp(struct net_device *dev, struct bpf_prog *prog, char *message,
			     size_t room)
{
	struct netlink_ext_ack ack = {};
	int ret = -ENODEV;

	rtnl_lock();
	if (dev->reg_state == NETREG_REGISTERED)
		ret = set_xdp(dev, prog, &ack);
	rtnl_unlock();
	strscpy(message, ack._msg ?: "", room);
	return ret;
}

/* Asks the interface to transmit no frame. */
int rust_virtio_fake_xdp_xmit_none(struct net_device *dev, u32 flags)
{
	struct xdp_frame *none[1] = {};
	int ret;

	if (!dev->netdev_ops->ndo_xdp_xmit)
		return -EOPNOTSUPP;
	local_bh_disable();
	ret = dev->netdev_ops->ndo_xdp_xmit(dev, 0, none, flags);
	local_bh_enable();
	return ret;
}

u64 rust_virtio_fake_xdp_features(const struct net_device *dev)
{
	return dev->xdp_features;
}

int rust_virtio_fake_ifindex(const struct net_device *dev)
{
	return dev->ifindex;
}

/* Returns the number of bytes of metadata of a packet, or a large number if they are wrong. */
u32 rust_virtio_fake_frame_metadata(const struct sk_buff *skb)
{
	u32 len = skb_metadata_len(skb);
	const u8 *bytes = skb_mac_header(skb) - len;

	for (u32 i = 0; i < len; i++)
		if (bytes[i] != 0x5a)
			return U32_MAX;
	return len;
}
