// SPDX-License-Identifier: GPL-2.0
/* The operations of an interface for receive-side scaling, as the core calls them. */

#include <linux/ethtool.h>
#include <linux/mutex.h>
#include <linux/netdevice.h>
#include <net/netdev_lock.h>

#include "../helpers.h"
#include "with_nic.h"

static int get_rxfh(struct net_device *dev, u32 *table, u32 *entries, u8 *key, u32 *key_len)
{
	const struct ethtool_ops *ops = dev->ethtool_ops;
	struct ethtool_rxfh_param rxfh = {};
	u32 room = *entries, key_room = *key_len;
	int ret;

	*entries = ops->get_rxfh_indir_size(dev);
	*key_len = ops->get_rxfh_key_size(dev);
	if (*entries > room || *key_len > key_room)
		return -ENOSPC;
	rxfh.indir = *entries ? table : NULL;
	rxfh.indir_size = *entries;
	rxfh.key = *key_len ? key : NULL;
	rxfh.key_size = *key_len;
	mutex_lock(&dev->ethtool->rss_lock);
	ret = ops->get_rxfh(dev, &rxfh);
	mutex_unlock(&dev->ethtool->rss_lock);
	if (!ret && rxfh.hfunc != ETH_RSS_HASH_TOP)
		ret = -EPROTO;
	return ret;
}

/*
 * Reads the table and the key. `entries` and `key_len` are the room for each,
 * and then the numbers that the interface has.
 */
int rust_virtio_fake_get_rxfh(struct net_device *dev, u32 *table, u32 *entries, u8 *key,
			      u32 *key_len)
{
	if (!dev->ethtool_ops || !dev->ethtool_ops->get_rxfh)
		return -EOPNOTSUPP;
	return WITH_NIC(dev, get_rxfh(dev, table, entries, key, key_len));
}

static int set_rxfh(struct net_device *dev, const u32 *table, const u8 *key, u8 hfunc)
{
	const struct ethtool_ops *ops = dev->ethtool_ops;
	struct ethtool_rxfh_param rxfh = { .hfunc = hfunc };
	int ret;

	/* Not written to. */
	rxfh.indir = (u32 *)table;
	rxfh.indir_size = ops->get_rxfh_indir_size(dev);
	rxfh.key = (u8 *)key;
	rxfh.key_size = key ? ops->get_rxfh_key_size(dev) : 0;
	mutex_lock(&dev->ethtool->rss_lock);
	ret = ops->set_rxfh(dev, &rxfh, NULL);
	if (!ret && table)
		dev->ethtool->rss_indir_user_size = rxfh.indir_size;
	mutex_unlock(&dev->ethtool->rss_lock);
	return ret;
}

/*
 * Sets the table, the key, or both; each is as long as the interface says, or
 * NULL. A table counts as chosen by the user.
 */
int rust_virtio_fake_set_rxfh(struct net_device *dev, const u32 *table, const u8 *key, u8 hfunc)
{
	if (!dev->ethtool_ops || !dev->ethtool_ops->set_rxfh)
		return -EOPNOTSUPP;
	return WITH_NIC(dev, set_rxfh(dev, table, key, hfunc));
}

int rust_virtio_fake_rxfh_fields(struct net_device *dev, u32 flow, u32 *data)
{
	struct ethtool_rxfh_fields fields = { .flow_type = flow, .data = ~0U };
	int ret;

	if (!dev->ethtool_ops || !dev->ethtool_ops->get_rxfh_fields)
		return -EOPNOTSUPP;
	ret = WITH_NIC(dev, dev->ethtool_ops->get_rxfh_fields(dev, &fields));
	*data = fields.data;
	return ret;
}

int rust_virtio_fake_set_rxfh_fields(struct net_device *dev, u32 flow, u32 data)
{
	const struct ethtool_rxfh_fields fields = { .flow_type = flow, .data = data };

	if (!dev->ethtool_ops || !dev->ethtool_ops->set_rxfh_fields)
		return -EOPNOTSUPP;
	return WITH_NIC(dev, dev->ethtool_ops->set_rxfh_fields(dev, &fields, NULL));
}

/* Whether hashes can be switched. */
bool rust_virtio_fake_has_rxhash(struct net_device *dev)
{
	return dev->hw_features & NETIF_F_RXHASH;
}
