/* SPDX-License-Identifier: GPL-2.0 */
/* The parts of the kernel that the crate `virtio_fake` needs and kernel::bindings lacks. */

#include <linux/hrtimer_types.h>

#include <linux/blkdev.h>
#include <linux/cpumask.h>
#include <linux/ethtool.h>
#include <linux/irq_work.h>
#include <linux/netdevice.h>
#include <linux/rtnetlink.h>
#include <linux/skbuff.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <linux/vringh.h>
#include <net/dropreason.h>
#include <uapi/linux/virtio_config.h>
#include <uapi/linux/virtio_ring.h>

#include "helpers.h"
#include "user/xdp.h"
#include "user/xsk.h"

const size_t RUST_CONST_HELPER_MAX_SKB_FRAGS = MAX_SKB_FRAGS;
const blk_mode_t RUST_CONST_HELPER_BLK_OPEN_READ = BLK_OPEN_READ;
const blk_mode_t RUST_CONST_HELPER_BLK_OPEN_WRITE = BLK_OPEN_WRITE;
