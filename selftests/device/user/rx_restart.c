// SPDX-License-Identifier: GPL-2.0
/* Restarts of single receive queues, as the core does them for users of one queue. */

#include <linux/module.h>
#include <linux/netdevice.h>
#include <net/netdev_lock.h>
#include <net/netdev_queues.h>
#include <net/netdev_rx_queue.h>

#include "../helpers.h"

MODULE_IMPORT_NS("NETDEV_INTERNAL");

/* Those of the driver, while those of the tests are in their place. */
static const struct netdev_queue_mgmt_ops *real;
static bool start_has_failed;

/* Fails late: the driver has given its memory, and gets it back. */
static int no_memory(struct net_device *dev, struct netdev_queue_config *config, void *memory,
		     int queue)
{
	int ret = real->ndo_queue_mem_alloc(dev, config, memory, queue);

	if (ret)
		return ret;
	real->ndo_queue_mem_free(dev, memory);
	return -ENOMEM;
}

/* Fails with the new memory. The core starts the queue with the old memory then. */
static int no_start(struct net_device *dev, struct netdev_queue_config *config, void *memory,
		    int queue)
{
	if (!start_has_failed) {
		start_has_failed = true;
		return -ENOMEM;
	}
	return real->ndo_queue_start(dev, config, memory, queue);
}

static int restart(struct net_device *dev, u32 queue, enum rust_virtio_fake_restart fault)
{
	/* Memory that the CPU must not read has a provider with operations. */
	static const char provider;
	struct netdev_rx_queue *rxq;
	struct netdev_queue_mgmt_ops ops;
	int ret;

	if (queue >= dev->real_num_rx_queues)
		return -ERANGE;
	/* All callers in the core check this. */
	real = dev->queue_mgmt_ops;
	if (!real)
		return -EOPNOTSUPP;
	ops = *real;
	start_has_failed = false;
	if (fault == RUST_VIRTIO_FAKE_NO_MEMORY)
		ops.ndo_queue_mem_alloc = no_memory;
	if (fault == RUST_VIRTIO_FAKE_NO_START)
		ops.ndo_queue_start = no_start;
	rxq = __netif_get_rx_queue(dev, queue);
	if (fault == RUST_VIRTIO_FAKE_PROVIDER)
		rxq->mp_params.mp_ops = (const void *)&provider;
	dev->queue_mgmt_ops = &ops;
	ret = netdev_rx_queue_restart(dev, queue);
	dev->queue_mgmt_ops = real;
	if (fault == RUST_VIRTIO_FAKE_PROVIDER)
		rxq->mp_params.mp_ops = NULL;
	return ret;
}

/* As user space has the core do it: without the RTNL. */
int rust_virtio_fake_restart_rx(struct net_device *dev, u32 queue,
				enum rust_virtio_fake_restart fault)
{
	int ret = -ENODEV;

	netdev_lock(dev);
	if (dev->reg_state == NETREG_REGISTERED)
		ret = restart(dev, queue, fault);
	netdev_unlock(dev);
	return ret;
}
