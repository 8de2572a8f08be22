// SPDX-License-Identifier: GPL-2.0
/* The interfaces of a device with failover: the driver's own, and the master above it. */

#include <linux/netdevice.h>
#include <linux/rtnetlink.h>
#include <linux/string.h>

#include "../helpers.h"

/*
 * Returns the interface below a device that is a failover master or not, with a
 * reference. Takes no RTNL: a driver may wait with the RTNL held.
 */
struct net_device *rust_virtio_fake_netdev(struct device *parent, bool master)
{
	struct net_device *dev, *found = NULL;

	rcu_read_lock();
	for_each_netdev_rcu(&init_net, dev) {
		if (dev->dev.parent == parent &&
		    netif_is_failover(dev) == master) {
			dev_hold(dev);
			found = dev;
			break;
		}
	}
	rcu_read_unlock();
	return found;
}

void rust_virtio_fake_failover(struct net_device *dev,
			       struct rust_virtio_fake_failover *place)
{
	const struct net_device_ops *ops = dev->netdev_ops;
	char name[sizeof(place->port_name)] = "";
	struct net_device *upper;

	rtnl_lock();
	upper = netdev_master_upper_dev_get(dev);
	place->index = dev->ifindex;
	place->upper = upper ? upper->ifindex : 0;
	place->slave = netif_is_failover_slave(dev);
	place->port_name_ret = -EOPNOTSUPP;
	if (ops->ndo_get_phys_port_name)
		place->port_name_ret =
			ops->ndo_get_phys_port_name(dev, name, sizeof(name));
	memcpy(place->port_name, name, sizeof(name));
	rtnl_unlock();
}

static struct device *parent_to_open;

/* Brings up the first interface below `parent_to_open` as soon as it is registered. */
static int open_first(struct notifier_block *nb, unsigned long event, void *ptr)
{
	struct net_device *dev = netdev_notifier_info_to_dev(ptr);

	if (event != NETDEV_REGISTER || !parent_to_open ||
	    dev->dev.parent != parent_to_open)
		return NOTIFY_DONE;
	parent_to_open = NULL;
	return notifier_from_errno(netif_open(dev, NULL));
}

static struct notifier_block first_opener = { .notifier_call = open_first };

/* The test calls these two in turn. */
int rust_virtio_fake_open_first(struct device *parent)
{
	int ret;

	rtnl_lock();
	parent_to_open = parent;
	rtnl_unlock();
	ret = register_netdevice_notifier(&first_opener);
	if (ret)
		parent_to_open = NULL;
	return ret;
}

void rust_virtio_fake_open_none(void)
{
	unregister_netdevice_notifier(&first_opener);
	parent_to_open = NULL;
}
