// SPDX-License-Identifier: GPL-2.0
/* Coalescing of an interface, as ethtool reads and sets it. */

#include <linux/ethtool.h>
#include <net/netdev_lock.h>

#include "../helpers.h"
#include "with_nic.h"

/* Reads the parameters of a queue, or of all queues if `queue` is negative. */
static int get_coalesce(struct net_device *dev, int queue,
			struct rust_virtio_fake_coalesce *to)
{
	const struct ethtool_ops *ops = dev->ethtool_ops;
	struct kernel_ethtool_coalesce kernel = {};
	struct ethtool_coalesce coalesce = {};
	int ret;

	if (!ops || !ops->get_coalesce || !ops->get_per_queue_coalesce)
		return -EOPNOTSUPP;
	netdev_lock_ops(dev);
	if (queue < 0)
		ret = ops->get_coalesce(dev, &coalesce, &kernel, NULL);
	else
		ret = ops->get_per_queue_coalesce(dev, queue, &coalesce);
	netdev_unlock_ops(dev);
	to->rx_usecs = coalesce.rx_coalesce_usecs;
	to->rx_frames = coalesce.rx_max_coalesced_frames;
	to->tx_usecs = coalesce.tx_coalesce_usecs;
	to->tx_frames = coalesce.tx_max_coalesced_frames;
	to->adaptive_rx = coalesce.use_adaptive_rx_coalesce;
	return ret;
}

int rust_virtio_fake_get_coalesce(struct net_device *dev, int queue,
				  struct rust_virtio_fake_coalesce *to)
{
	return WITH_NIC(dev, get_coalesce(dev, queue, to));
}

static int set_coalesce(struct net_device *dev, int queue,
			const struct rust_virtio_fake_coalesce *from)
{
	const struct ethtool_ops *ops = dev->ethtool_ops;
	struct kernel_ethtool_coalesce kernel = {};
	struct ethtool_coalesce coalesce = {
		.cmd = ETHTOOL_SCOALESCE,
		.rx_coalesce_usecs = from->rx_usecs,
		.rx_max_coalesced_frames = from->rx_frames,
		.tx_coalesce_usecs = from->tx_usecs,
		.tx_max_coalesced_frames = from->tx_frames,
		.use_adaptive_rx_coalesce = from->adaptive_rx,
	};
	int ret;

	if (!ops || !ops->set_coalesce || !ops->set_per_queue_coalesce)
		return -EOPNOTSUPP;
	netdev_lock_ops(dev);
	if (queue < 0)
		ret = ops->set_coalesce(dev, &coalesce, &kernel, NULL);
	else
		ret = ops->set_per_queue_coalesce(dev, queue, &coalesce);
	netdev_unlock_ops(dev);
	return ret;
}

int rust_virtio_fake_set_coalesce(struct net_device *dev, int queue,
				  const struct rust_virtio_fake_coalesce *from)
{
	return WITH_NIC(dev, set_coalesce(dev, queue, from));
}
