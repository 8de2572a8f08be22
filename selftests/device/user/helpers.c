// SPDX-License-Identifier: GPL-2.0
/* Operations of the users of a device, in C because they are inline functions of the kernel. */

#include <linux/bio.h>
#include <linux/blk-mq.h>
#include <linux/blkdev.h>
#include <linux/delay.h>
#include <linux/device.h>
#include <linux/etherdevice.h>
#include <linux/ethtool.h>
#include <linux/if_vlan.h>
#include <linux/kernfs.h>
#include <linux/module.h>
#include <linux/netdevice.h>
#include <net/addrconf.h>
#include <linux/rtnetlink.h>
#include <linux/sysfs.h>
#include <net/netdev_lock.h>

#include "../helpers.h"
#include "with_nic.h"

bool rust_virtio_fake_is_class(const struct device *dev, const char *name)
{
	return dev->class && !strcmp(dev->class->name, name);
}

/*
 * Shows or stores an attribute as sysfs does: kernel threads have no mounted
 * sysfs to open it in. The device must not be removed during the call.
 */
ssize_t rust_virtio_fake_attribute(struct device *dev, const char *name,
				   char *page, size_t len, bool store)
{
	const struct sysfs_ops *ops = dev->kobj.ktype->sysfs_ops;
	struct kernfs_node *kn = kernfs_find_and_get(dev->kobj.sd, name);
	ssize_t ret;

	if (!kn)
		return -ENOENT;
	if (store)
		ret = ops->store(&dev->kobj, kn->priv, page, len);
	else
		ret = ops->show(&dev->kobj, kn->priv, page);
	kernfs_put(kn);
	return ret;
}

/* Sets a parameter of another module, as a write to its file in sysfs does. */
int rust_virtio_fake_set_param(const char *module, const char *name,
			       const char *value)
{
	int ret = -ENOENT;
#ifdef MODULE
	struct kobject *kobj = kset_find_obj(THIS_MODULE->mkobj.kobj.kset,
					     module);
	struct module *mod;

	if (!kobj)
		return -ENOENT;
	mod = container_of(kobj, struct module_kobject, kobj)->mod;
	for (unsigned int i = 0; mod && i < mod->num_kp; i++) {
		const struct kernel_param *kp = &mod->kp[i];

		if (strcmp(kp->name, name))
			continue;
		kernel_param_lock(mod);
		ret = kp->ops->set(value, kp);
		kernel_param_unlock(mod);
	}
	kobject_put(kobj);
#endif
	return ret;
}

static void polled_done(struct bio *bio)
{
	WRITE_ONCE(*(bool *)bio->bi_private, true);
}

/*
 * Reads one page by polling, without waiting for an interrupt. Sets `batched` if
 * the driver has put the request into the batch of the poll.
 */
int rust_virtio_fake_read_polled(struct block_device *bdev, sector_t sector,
				 struct page *page, bool *batched)
{
	DEFINE_IO_COMP_BATCH(batch);
	bool done = false;
	struct bio_vec vec;
	struct bio bio;
	int ret;

	bio_init(&bio, bdev, &vec, 1, REQ_OP_READ | REQ_SYNC | REQ_POLLED);
	bio.bi_iter.bi_sector = sector;
	bio.bi_private = &done;
	bio.bi_end_io = polled_done;
	__bio_add_page(&bio, page, PAGE_SIZE, 0);
	submit_bio(&bio);
	while (!READ_ONCE(done)) {
		bio_poll(&bio, &batch, BLK_POLL_ONESHOT);
		if (batch.complete) {
			*batched = true;
			batch.complete(&batch);
			batch.complete = NULL;
			continue;
		}
		fsleep(1000);
	}
	ret = blk_status_to_errno(bio.bi_status);
	bio_uninit(&bio);
	return ret;
}

/* Writes with a flush before, and so that the data is on the medium afterwards. */
int rust_virtio_fake_write_safely(struct block_device *bdev, sector_t sector,
				  void *data, size_t len)
{
	struct bio_vec vec;
	struct bio bio;
	int ret;

	bio_init(&bio, bdev, &vec, 1, REQ_OP_WRITE | REQ_PREFLUSH | REQ_FUA);
	bio.bi_iter.bi_sector = sector;
	bio_add_virt_nofail(&bio, data, len);
	ret = submit_bio_wait(&bio);
	bio_uninit(&bio);
	return ret;
}

void rust_virtio_fake_limits(struct block_device *bdev,
			     struct rust_virtio_fake_limits *limits)
{
	struct request_queue *q = bdev_get_queue(bdev);

	limits->sectors = bdev_nr_sectors(bdev);
	limits->logical_block_size = bdev_logical_block_size(bdev);
	limits->physical_block_size = bdev_physical_block_size(bdev);
	limits->io_min = bdev_io_min(bdev);
	limits->io_opt = bdev_io_opt(bdev);
	limits->max_segments = queue_max_segments(q);
	limits->max_segment_size = queue_max_segment_size(q);
	limits->max_hw_sectors = queue_max_hw_sectors(q);
	limits->max_discard_sectors = bdev_max_discard_sectors(bdev);
	limits->discard_granularity = bdev_discard_granularity(bdev);
	limits->max_write_zeroes_sectors = q->limits.max_write_zeroes_sectors;
	limits->nr_hw_queues = q->nr_hw_queues;
	limits->read_only = bdev_read_only(bdev);
	limits->write_cache = bdev_write_cache(bdev);
	limits->batches = q->mq_ops->queue_rqs;
}

void rust_virtio_fake_timeout(struct block_device *bdev, unsigned int millis)
{
	blk_queue_rq_timeout(bdev_get_queue(bdev), msecs_to_jiffies(millis));
}

void rust_virtio_fake_dev_hold(struct net_device *dev)
{
	dev_hold(dev);
}

void rust_virtio_fake_dev_put(struct net_device *dev)
{
	dev_put(dev);
}

void rust_virtio_fake_nic(struct net_device *dev,
			  struct rust_virtio_fake_nic *nic)
{
	const struct net_device_ops *ops = dev->netdev_ops;
	struct ethtool_link_ksettings link = {
		.base.speed = SPEED_UNKNOWN,
		.base.duplex = DUPLEX_UNKNOWN,
	};
	struct napi_struct *napi;

	rtnl_lock();
	if (dev->reg_state == NETREG_REGISTERED)
		__ethtool_get_link_ksettings(dev, &link);
	nic->speed = link.base.speed;
	nic->duplex = link.base.duplex;
	nic->checks_address = ops->ndo_validate_addr &&
			      !ops->ndo_validate_addr(dev);
	nic->napi_weight = -1;
	list_for_each_entry(napi, &dev->napi_list, dev_list)
		nic->napi_weight = nic->napi_weight < 0 ? napi->weight :
				   min(nic->napi_weight, napi->weight);
	nic->af_xdp = (dev->xdp_features & NETDEV_XDP_ACT_XSK_ZEROCOPY) ||
		      ops->ndo_xsk_wakeup;
	nic->mtu = dev->mtu;
	nic->max_mtu = dev->max_mtu;
	nic->tx_queues = dev->real_num_tx_queues;
	nic->rx_queues = dev->real_num_rx_queues;
	ether_addr_copy(nic->mac, dev->dev_addr);
	nic->assign_type = dev->addr_assign_type;
	nic->running = netif_running(dev);
	nic->carrier = netif_carrier_ok(dev);
	nic->tx_stopped = netif_tx_queue_stopped(netdev_get_tx_queue(dev, 0));
	nic->features = dev->features;
	nic->reserved = LL_RESERVED_SPACE(dev);
	nic->bql = 0;
#ifdef CONFIG_BQL
	nic->bql = READ_ONCE(netdev_get_tx_queue(dev, 0)->dql.num_queued) -
		   READ_ONCE(netdev_get_tx_queue(dev, 0)->dql.num_completed);
#endif
	rtnl_unlock();
}

static int set_up(struct net_device *dev, bool up)
{
	if (up)
		return dev_open(dev, NULL);
	dev_close(dev);
	return 0;
}

int rust_virtio_fake_set_up(struct net_device *dev, bool up)
{
	return WITH_NIC(dev, set_up(dev, up));
}

int rust_virtio_fake_set_mtu(struct net_device *dev, int mtu)
{
	return WITH_NIC(dev, dev_set_mtu(dev, mtu));
}

int rust_virtio_fake_set_mac(struct net_device *dev, const u8 *mac)
{
	struct sockaddr_storage ss = { .ss_family = dev->type };

	memcpy(((struct sockaddr *)&ss)->sa_data, mac, ETH_ALEN);
	return WITH_NIC(dev, dev_set_mac_address(dev, &ss, NULL));
}

int rust_virtio_fake_set_promisc(struct net_device *dev, bool on)
{
	return WITH_NIC(dev, dev_set_promiscuity(dev, on ? 1 : -1));
}

static int set_vlan(struct net_device *dev, u16 vid, bool on)
{
	if (on)
		return vlan_vid_add(dev, htons(ETH_P_8021Q), vid);
	vlan_vid_del(dev, htons(ETH_P_8021Q), vid);
	return 0;
}

int rust_virtio_fake_set_vlan(struct net_device *dev, u16 vid, bool on)
{
	return WITH_NIC(dev, set_vlan(dev, vid, on));
}

/* Within one section of the RTNL, as when an interface with VLANs goes. */
static int set_vlans(struct net_device *dev, u16 count, bool on)
{
	int ret = 0;
	u16 vid;

	for (vid = 1; vid <= count && !ret; vid++)
		ret = set_vlan(dev, vid, on);
	return ret;
}

int rust_virtio_fake_set_vlans(struct net_device *dev, u16 count, bool on)
{
	return WITH_NIC(dev, set_vlans(dev, count, on));
}

int rust_virtio_fake_add_multicast(struct net_device *dev, const u8 *addr)
{
	return WITH_NIC(dev, dev_mc_add(dev, addr));
}

/* Has the core refuse more receive queues than this, as if it had no memory for them. */
static int limit_rx_queues(struct net_device *dev, unsigned int count)
{
	dev->num_rx_queues = count;
	return 0;
}

int rust_virtio_fake_limit_rx_queues(struct net_device *dev, unsigned int count)
{
	return WITH_NIC(dev, limit_rx_queues(dev, count));
}

/* Detaches the interface, or attaches it, without telling the driver. */
static int set_present(struct net_device *dev, bool present)
{
	if (present)
		netif_device_attach(dev);
	else
		netif_device_detach(dev);
	return 0;
}

int rust_virtio_fake_set_present(struct net_device *dev, bool present)
{
	return WITH_NIC(dev, set_present(dev, present));
}

static int set_channels(struct net_device *dev, u32 pairs)
{
	struct ethtool_channels channels = {
		.cmd = ETHTOOL_SCHANNELS,
		.combined_count = pairs,
	};
	int ret;

	if (!dev->ethtool_ops || !dev->ethtool_ops->set_channels)
		return -EOPNOTSUPP;
	netdev_lock_ops(dev);
	ret = dev->ethtool_ops->set_channels(dev, &channels);
	netdev_unlock_ops(dev);
	return ret;
}

static int set_tx_frames(struct net_device *dev, u32 frames)
{
	struct kernel_ethtool_coalesce kernel = {};
	struct ethtool_coalesce coalesce = {
		.cmd = ETHTOOL_SCOALESCE,
		.rx_max_coalesced_frames = 1,
		.tx_max_coalesced_frames = frames,
	};
	int ret;

	if (!dev->ethtool_ops || !dev->ethtool_ops->set_coalesce)
		return -EOPNOTSUPP;
	netdev_lock_ops(dev);
	ret = dev->ethtool_ops->set_coalesce(dev, &coalesce, &kernel, NULL);
	netdev_unlock_ops(dev);
	return ret;
}

int rust_virtio_fake_set_tx_frames(struct net_device *dev, u32 frames)
{
	return WITH_NIC(dev, set_tx_frames(dev, frames));
}

#ifdef CONFIG_NETPOLL
static bool own_napi(struct napi_struct *napi)
{
	return cmpxchg(&napi->poll_owner, -1, smp_processor_id()) == -1;
}

static void disown_napi(struct napi_struct *napi)
{
	/* Pairs with the cmpxchg() of the next owner. */
	smp_store_release(&napi->poll_owner, -1);
}
#else
/* On other kernels, nothing would exclude the poll of another CPU. */
static bool own_napi(struct napi_struct *napi)
{
	return false;
}

static void disown_napi(struct napi_struct *napi)
{
}
#endif

/*
 * Polls all queues as netpoll does before it sends a message: in any state, and
 * with a budget of 0. With `locked`, as if the message were printed while a
 * packet is sent on `queue`, which the interface has.
 */
void rust_virtio_fake_netpoll(struct net_device *dev, bool locked, u16 queue)
{
	struct netdev_queue *txq;
	struct napi_struct *napi;

	if (WARN_ON(queue >= dev->num_tx_queues))
		return;
	txq = netdev_get_tx_queue(dev, queue);
	local_bh_disable();
	if (locked)
		__netif_tx_lock(txq, smp_processor_id());
	list_for_each_entry(napi, &dev->napi_list, dev_list) {
		if (!own_napi(napi))
			continue;
		if (!test_and_set_bit(NAPI_STATE_NPSVC, &napi->state)) {
			WARN_ON(napi->poll(napi, 0));
			clear_bit(NAPI_STATE_NPSVC, &napi->state);
		}
		disown_napi(napi);
	}
	if (locked)
		__netif_tx_unlock(txq);
	local_bh_enable();
}

int rust_virtio_fake_set_channels(struct net_device *dev, u32 pairs)
{
	return WITH_NIC(dev, set_channels(dev, pairs));
}

static int set_rings(struct net_device *dev, struct ethtool_ringparam *rings)
{
	struct kernel_ethtool_ringparam kernel = {};
	int ret;

	if (!dev->ethtool_ops || !dev->ethtool_ops->set_ringparam)
		return -EOPNOTSUPP;
	netdev_lock_ops(dev);
	ret = dev->ethtool_ops->set_ringparam(dev, rings, &kernel, NULL);
	netdev_unlock_ops(dev);
	return ret;
}

int rust_virtio_fake_set_rings(struct net_device *dev, u32 rx, u32 tx, u32 mini,
			       u32 jumbo)
{
	struct ethtool_ringparam rings = {
		.cmd = ETHTOOL_SRINGPARAM,
		.rx_pending = rx,
		.rx_mini_pending = mini,
		.rx_jumbo_pending = jumbo,
		.tx_pending = tx,
	};

	return WITH_NIC(dev, set_rings(dev, &rings));
}

/* The sizes of the rings, and the largest sizes: receive, then transmit. */
void rust_virtio_fake_rings(struct net_device *dev, u32 *to)
{
	struct kernel_ethtool_ringparam kernel = {};
	struct ethtool_ringparam rings = { .cmd = ETHTOOL_GRINGPARAM };

	rtnl_lock();
	netdev_lock_ops(dev);
	if (dev->reg_state == NETREG_REGISTERED && dev->ethtool_ops &&
	    dev->ethtool_ops->get_ringparam)
		dev->ethtool_ops->get_ringparam(dev, &rings, &kernel, NULL);
	netdev_unlock_ops(dev);
	rtnl_unlock();
	to[0] = rings.rx_pending;
	to[1] = rings.rx_max_pending;
	to[2] = rings.tx_pending;
	to[3] = rings.tx_max_pending;
}

static int set_feature(struct net_device *dev, netdev_features_t feature,
		       bool on)
{
	if (!(dev->hw_features & feature))
		return !!(dev->features & feature) == on ? 0 : -EIO;
	netdev_lock_ops(dev);
	if (on)
		dev->wanted_features |= feature;
	else
		dev->wanted_features &= ~feature;
	netdev_update_features(dev);
	netdev_unlock_ops(dev);
	return !!(dev->features & feature) == on ? 0 : -EIO;
}

static int disable_ipv6(struct net_device *dev)
{
#if IS_ENABLED(CONFIG_IPV6)
	struct inet6_dev *idev = __in6_dev_get(dev);

	if (idev)
		WRITE_ONCE(idev->cnf.disable_ipv6, 1);
#endif
	return 0;
}

/* Has the stack send no frames of IPv6 on an interface that is down. */
int rust_virtio_fake_disable_ipv6(struct net_device *dev)
{
	return WITH_NIC(dev, disable_ipv6(dev));
}

static int set_watchdog(struct net_device *dev, u32 millis)
{
	WRITE_ONCE(dev->watchdog_timeo, msecs_to_jiffies(millis));
	return 0;
}

/* Sets the time after which the watchdog takes a stopped queue for stuck. */
int rust_virtio_fake_set_watchdog(struct net_device *dev, u32 millis)
{
	return WITH_NIC(dev, set_watchdog(dev, millis));
}

int rust_virtio_fake_set_gro_hw(struct net_device *dev, bool on)
{
	return WITH_NIC(dev, set_feature(dev, NETIF_F_GRO_HW, on));
}

int rust_virtio_fake_set_rxhash(struct net_device *dev, bool on)
{
	return WITH_NIC(dev, set_feature(dev, NETIF_F_RXHASH, on));
}
