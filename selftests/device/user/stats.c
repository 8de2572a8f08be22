// SPDX-License-Identifier: GPL-2.0
/* Statistics of an interface, as ethtool and netdev report them. */

#include <linux/ethtool.h>
#include <linux/string.h>
#include <net/netdev_lock.h>
#include <net/netdev_queues.h>

#include "../helpers.h"
#include "with_nic.h"

/* Reads names and values, as many as there is room for. Returns their number. */
static int ethtool_stats(struct net_device *dev, char *names, u64 *values,
			 u32 room)
{
	const struct ethtool_ops *ops = dev->ethtool_ops;
	struct ethtool_stats stats = { .cmd = ETHTOOL_GSTATS };
	int count;

	if (!ops || !ops->get_sset_count)
		return -EOPNOTSUPP;
	netdev_lock_ops(dev);
	count = ops->get_sset_count(dev, ETH_SS_STATS);
	if (count > (int)room)
		count = -ENOSPC;
	if (count > 0) {
		stats.n_stats = count;
		ops->get_strings(dev, ETH_SS_STATS, names);
		ops->get_ethtool_stats(dev, &stats, values);
	}
	netdev_unlock_ops(dev);
	return count;
}

int rust_virtio_fake_ethtool_stats(struct net_device *dev, char *names,
				   u64 *values, u32 room)
{
	return WITH_NIC(dev, ethtool_stats(dev, names, values, room));
}

static_assert(sizeof(struct netdev_queue_stats_rx) ==
	      RUST_VIRTIO_FAKE_RX_STATS * sizeof(u64));
static_assert(sizeof(struct netdev_queue_stats_tx) ==
	      RUST_VIRTIO_FAKE_TX_STATS * sizeof(u64));

static int queue_stats(struct net_device *dev, int queue, u64 *rx, u64 *tx)
{
	const struct netdev_stat_ops *ops = dev->stat_ops;
	struct netdev_queue_stats_rx *rx_stats = (void *)rx;
	struct netdev_queue_stats_tx *tx_stats = (void *)tx;

	/* The core marks values that it does not know in this way. */
	memset(rx, 0xff, sizeof(*rx_stats));
	memset(tx, 0xff, sizeof(*tx_stats));
	if (!ops)
		return -EOPNOTSUPP;
	netdev_lock_ops(dev);
	if (queue < 0) {
		ops->get_base_stats(dev, rx_stats, tx_stats);
	} else {
		ops->get_queue_stats_rx(dev, queue, rx_stats);
		ops->get_queue_stats_tx(dev, queue, tx_stats);
	}
	netdev_unlock_ops(dev);
	return 0;
}

/* Reads those of a pair of queues, or of the rest if `queue` is negative. */
int rust_virtio_fake_queue_stats(struct net_device *dev, int queue, u64 *rx,
				 u64 *tx)
{
	return WITH_NIC(dev, queue_stats(dev, queue, rx, tx));
}
