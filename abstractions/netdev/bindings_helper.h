/* SPDX-License-Identifier: GPL-2.0 */
/* The parts of the kernel that the crate `netdev` needs and kernel::bindings lacks. */

#include <linux/hrtimer_types.h>

#include <linux/bpf.h>
#include <linux/cpuhotplug.h>
#include <linux/dim.h>
#include <linux/etherdevice.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/netdevice.h>
#include <linux/rtnetlink.h>
#include <linux/skbuff.h>
#include <linux/timer.h>
#include <linux/virtio_net.h>
#include <linux/workqueue.h>
#include <net/netdev_queues.h>
#include <net/netdev_rx_queue.h>
#include <net/page_pool/helpers.h>
#include <net/xdp.h>

#include "helpers.h"
#include "xdp/helpers.h"
#include "xsk/helpers.h"

/* `bindgen` gets confused at certain things. */
const u32 RUST_CONST_HELPER_IFF_UNICAST_FLT = IFF_UNICAST_FLT;
const u32 RUST_CONST_HELPER_IFF_LIVE_ADDR_CHANGE = IFF_LIVE_ADDR_CHANGE;
const u32 RUST_CONST_HELPER_IFF_TX_SKB_NO_LINEAR = IFF_TX_SKB_NO_LINEAR;
const size_t RUST_CONST_HELPER_NETDEV_PRIV_OFFSET = offsetof(struct net_device, priv);
const size_t RUST_CONST_HELPER_L1_CACHE_BYTES = L1_CACHE_BYTES;
const size_t RUST_CONST_HELPER_SKB_SHINFO_SIZE = SKB_DATA_ALIGN(sizeof(struct skb_shared_info));
const size_t RUST_CONST_HELPER_SKB_CONTROL_BUFFER = sizeof_field(struct sk_buff, cb);
const size_t RUST_CONST_HELPER_SKB_DATA_ALIGN = SMP_CACHE_BYTES;
const size_t RUST_CONST_HELPER_NET_IP_ALIGN = NET_IP_ALIGN;
const size_t RUST_CONST_HELPER_MAX_SKB_FRAGS = MAX_SKB_FRAGS;
const int RUST_CONST_HELPER_NAPI_POLL_WEIGHT = NAPI_POLL_WEIGHT;
const u32 RUST_CONST_HELPER_XDP_XMIT_FLUSH = XDP_XMIT_FLUSH;
const u32 RUST_CONST_HELPER_XDP_XMIT_FLAGS_MASK = XDP_XMIT_FLAGS_MASK;
const u32 RUST_CONST_HELPER_XDP_WAKEUP_RX = XDP_WAKEUP_RX;
const u32 RUST_CONST_HELPER_XDP_WAKEUP_TX = XDP_WAKEUP_TX;
const u32 RUST_CONST_HELPER_PP_FLAG_DMA_MAP = PP_FLAG_DMA_MAP;
const u32 RUST_CONST_HELPER_PP_FLAG_DMA_SYNC_DEV = PP_FLAG_DMA_SYNC_DEV;
const u8 RUST_CONST_HELPER_ETH_RSS_HASH_TOP = ETH_RSS_HASH_TOP;
/*
 * The operations for which the RTNL is needed, also on a device with a lock of its own. The core
 * needs it for the link, and for coalescing with profiles of dim.
 */
const u32 RUST_CONST_HELPER_ETHTOOL_OPS_NEED_RTNL =
	ETHTOOL_OP_NEEDS_RTNL_SRINGPARAM | ETHTOOL_OP_NEEDS_RTNL_SCHANNELS |
	ETHTOOL_OP_NEEDS_RTNL_RSS | ETHTOOL_OP_NEEDS_RTNL_GLINK |
	ETHTOOL_OP_NEEDS_RTNL_SCOALESCE;
const u32 RUST_CONST_HELPER_ETHTOOL_COALESCE_RX_USECS = ETHTOOL_COALESCE_RX_USECS;
const u32 RUST_CONST_HELPER_ETHTOOL_COALESCE_TX_USECS = ETHTOOL_COALESCE_TX_USECS;
const u32 RUST_CONST_HELPER_ETHTOOL_COALESCE_RX_MAX_FRAMES = ETHTOOL_COALESCE_RX_MAX_FRAMES;
const u32 RUST_CONST_HELPER_ETHTOOL_COALESCE_TX_MAX_FRAMES = ETHTOOL_COALESCE_TX_MAX_FRAMES;
const u32 RUST_CONST_HELPER_ETHTOOL_COALESCE_USE_ADAPTIVE_RX = ETHTOOL_COALESCE_USE_ADAPTIVE_RX;
