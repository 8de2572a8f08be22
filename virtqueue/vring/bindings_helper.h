/* SPDX-License-Identifier: GPL-2.0 */
/* What the crates of the virtqueues need of the kernel and kernel::bindings lacks. */

#include <linux/hrtimer_types.h>

#include <linux/device/devres.h>
#include <linux/interrupt.h>
#include <linux/moduleparam.h>
#include <linux/rcupdate.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>
#include <linux/virtio_features.h>
#include <linux/virtio_ring.h>
#include <uapi/linux/virtio_blk.h>
#include <uapi/linux/virtio_config.h>
#include <uapi/linux/virtio_ids.h>
#include <uapi/linux/virtio_net.h>
#include <uapi/linux/virtio_pci.h>

#include "helpers.h"
#include "trace.h"
#include "trace_rust.h"
