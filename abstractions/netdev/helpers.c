// SPDX-License-Identifier: GPL-2.0

#include <linux/cpu.h>
#include <linux/cpumask.h>
#include <linux/dim.h>
#include <linux/etherdevice.h>
#include <linux/ethtool.h>
#include <linux/if_vlan.h>
#include <linux/kmemleak.h>
#include <linux/netdevice.h>
#include <linux/netfilter.h>
#include <linux/preempt.h>
#include <linux/sched/mm.h>
#include <linux/skbuff.h>
#include <linux/timer.h>
#include <linux/virtio_net.h>
#include <linux/workqueue.h>
#include <net/dst.h>
#include <net/net_failover.h>
#include <net/netdev_lock.h>
#include <net/netdev_queues.h>
#include <net/netdev_rx_queue.h>
#include <net/page_pool/helpers.h>
#include <net/sch_generic.h>

#include "helpers.h"

/* --- net_device --- */

static void set_noop_qdisc(struct net_device *dev, struct netdev_queue *txq, void *unused)
{
	rcu_assign_pointer(txq->qdisc, &noop_qdisc);
}

/*
 * Also sets the queueing discipline that registration sets until the device is brought up, because
 * waking a queue before the registration reads it.
 */
void rust_helper_netdev_set_ops(struct net_device *dev, struct device *parent,
				const struct net_device_ops *ops,
				const struct ethtool_ops *ethtool_ops,
				const struct netdev_stat_ops *stat_ops)
{
	SET_NETDEV_DEV(dev, parent);
	dev->netdev_ops = ops;
	dev->ethtool_ops = ethtool_ops;
	dev->stat_ops = stat_ops;
	netdev_for_each_tx_queue(dev, set_noop_qdisc, NULL);
}

/*
 * The core calls the driver of such a device with the lock of the device held. Lockdep is told that
 * the locks of several devices may be taken with the RTNL held.
 */
void rust_helper_rust_netdev_set_queue_mgmt_ops(struct net_device *dev,
						const struct netdev_queue_mgmt_ops *ops)
{
	dev->queue_mgmt_ops = ops;
	netdev_lockdep_set_classes(dev);
}

bool rust_helper_rust_netdev_has_own_lock(const struct net_device *dev)
{
	return netdev_need_ops_lock(dev);
}

bool rust_helper_rust_netdev_lock_own(struct net_device *dev)
{
	bool own = netdev_need_ops_lock(dev);

	if (own)
		netdev_lock(dev);
	return own;
}

void rust_helper_rust_netdev_unlock(struct net_device *dev)
{
	netdev_unlock(dev);
}

void rust_helper_netdev_set_rx_queue_group(struct net_device *dev,
					   const struct attribute_group *group)
{
#ifdef CONFIG_SYSFS
	dev->sysfs_rx_queue_group = group;
#endif
}

/* Copies the name, because it may change at any time. */
void rust_helper_rust_netdev_name(const struct net_device *dev, char *to, size_t size)
{
	strscpy(to, netdev_name(dev), size);
}

/* Messages about an interface, formatted by Rust. */
void rust_helper_rust_dev_warn(const struct net_device *dev, const void *message)
{
	dev_warn(&dev->dev, "%pA", message);
}

void rust_helper_rust_netdev_err(const struct net_device *dev, const void *message)
{
	netdev_err(dev, "%pA", message);
}

void rust_helper_rust_netdev_warn(const struct net_device *dev, const void *message)
{
	netdev_warn(dev, "%pA", message);
}

void rust_helper_rust_netdev_info(const struct net_device *dev, const void *message)
{
	netdev_info(dev, "%pA", message);
}

unsigned int rust_helper_netdev_flags(const struct net_device *dev)
{
	return READ_ONCE(dev->flags);
}

unsigned int rust_helper_netdev_mtu(const struct net_device *dev)
{
	return READ_ONCE(dev->mtu);
}

void rust_helper_netdev_add_priv_flags(struct net_device *dev, u32 flags)
{
	dev->priv_flags |= flags;
}

netdev_features_t rust_helper_netdev_features(const struct net_device *dev)
{
	return READ_ONCE(dev->features);
}

void rust_helper_netdev_set_features(struct net_device *dev, netdev_features_t features,
				     netdev_features_t hw_features)
{
	dev->features = features;
	dev->hw_features = hw_features;
}

void rust_helper_netdev_remove_hw_features(struct net_device *dev, netdev_features_t features)
{
	dev->hw_features &= ~features;
}

void rust_helper_netdev_set_vlan_features(struct net_device *dev, netdev_features_t features)
{
	dev->vlan_features = features;
}

void rust_helper_netdev_set_hw_enc_features(struct net_device *dev, netdev_features_t features)
{
	dev->hw_enc_features = features;
}

void rust_helper_netdev_set_mtu(struct net_device *dev, unsigned int mtu, unsigned int min_mtu,
				unsigned int max_mtu)
{
	WRITE_ONCE(dev->mtu, mtu);
	dev->min_mtu = min_mtu;
	dev->max_mtu = max_mtu;
}

void rust_helper_netdev_set_needed_headroom(struct net_device *dev, unsigned short headroom)
{
	dev->needed_headroom = headroom;
}

const unsigned char *rust_helper_netdev_addr(const struct net_device *dev)
{
	return dev->dev_addr;
}

void rust_helper_eth_hw_addr_random(struct net_device *dev)
{
	eth_hw_addr_random(dev);
}

void rust_helper_eth_hw_addr_set(struct net_device *dev, const u8 *addr)
{
	eth_hw_addr_set(dev, addr);
}

unsigned int rust_helper_netdev_rx_queue_index(struct netdev_rx_queue *queue)
{
	return get_netdev_rx_queue_index(queue);
}

struct net_device *rust_helper_netdev_rx_queue_dev(struct netdev_rx_queue *queue)
{
	return queue->dev;
}

unsigned int rust_helper_netdev_real_rx_queues(const struct net_device *dev)
{
	return READ_ONCE(dev->real_num_rx_queues);
}

bool rust_helper_netif_running(const struct net_device *dev)
{
	return netif_running(dev);
}

struct netdev_queue *rust_helper_netdev_get_tx_queue(struct net_device *dev, unsigned int index)
{
	return netdev_get_tx_queue(dev, index);
}

unsigned int rust_helper_netdev_queue_age_usecs(const struct netdev_queue *txq)
{
	return jiffies_to_usecs(jiffies - READ_ONCE(txq->trans_start));
}

/*
 * Link events and work take a reference to the interface, which unregistering waits for. So there
 * must be none for an interface that is not registered.
 */
void rust_helper_rust_netif_set_carrier(struct net_device *dev, bool on)
{
	unsigned int state;

	rcu_read_lock();
	state = READ_ONCE(dev->reg_state);
	/* Unregistering waits for this reader after it has changed the state. */
	if (state == NETREG_UNINITIALIZED || state == NETREG_REGISTERED) {
		if (on)
			netif_carrier_on(dev);
		else
			netif_carrier_off(dev);
	}
	rcu_read_unlock();
}

void rust_helper_rust_netdev_work_sched(struct net_device *dev)
{
	/* The core checks whether the interface is still registered. */
	if (READ_ONCE(dev->reg_state) != NETREG_UNINITIALIZED)
		netdev_work_sched(dev, 1);
}

/*
 * Whether the interface has page pools in its list. If so, the caller does not free it, on purpose:
 * a pool removes itself from the list when its last page is returned.
 */
bool rust_helper_rust_netdev_has_page_pools(const struct net_device *dev)
{
	if (hlist_empty(&dev->page_pools))
		return false;
	kmemleak_not_leak(dev);
	return true;
}

/* A kernel without NET_FAILOVER lacks the functions: no call of them may be left. */
struct failover *rust_helper_rust_failover_create(struct net_device *standby)
{
	if (!IS_ENABLED(CONFIG_NET_FAILOVER))
		return ERR_PTR(-EOPNOTSUPP);
	return net_failover_create(standby);
}

void rust_helper_rust_failover_destroy(struct failover *failover)
{
	if (IS_ENABLED(CONFIG_NET_FAILOVER))
		net_failover_destroy(failover);
}

void rust_helper_netif_tx_stop_all_queues(struct net_device *dev)
{
	netif_tx_stop_all_queues(dev);
}

void rust_helper_netif_tx_detach(struct net_device *dev)
{
	netif_tx_lock_bh(dev);
	netif_device_detach(dev);
	netif_tx_unlock_bh(dev);
}

void rust_helper_netif_tx_attach(struct net_device *dev)
{
	netif_tx_lock_bh(dev);
	netif_device_attach(dev);
	netif_tx_unlock_bh(dev);
}

/* Adds the counts of the queues that are not in use, of `queues` pairs. */
void rust_helper_rust_netdev_inactive_stats(struct net_device *dev, int queues,
					    struct netdev_queue_stats_rx *rx,
					    struct netdev_queue_stats_tx *tx)
{
	netdev_stat_queue_sum(dev, dev->real_num_rx_queues, queues, rx,
			      dev->real_num_tx_queues, queues, tx);
}

/* --- transmit queues --- */

bool rust_helper_netdev_xmit_more(void)
{
	return netdev_xmit_more();
}

void rust_helper_netif_tx_stop_queue(struct netdev_queue *txq)
{
	netif_tx_stop_queue(txq);
}

/* Stops a queue for the watchdog as if it were stopped so much later. */
void rust_helper_rust_netif_tx_stop_for(struct netdev_queue *txq, unsigned int millis)
{
	netif_tx_stop_queue(txq);
	WRITE_ONCE(txq->trans_start, jiffies + msecs_to_jiffies(millis));
}

static bool is_in_use(const struct net_device *dev)
{
	return netif_device_present(dev) && netif_running(dev);
}

bool rust_helper_rust_netdev_in_use(const struct net_device *dev)
{
	return is_in_use(dev);
}

/*
 * Wakes a queue, unless the interface is detached or down. Code that detaches the interface marks
 * the interface first, and then stops its queues. So a queue that is woken at the same time is
 * stopped there or here. No caller uses a queue after the interface was attached again.
 */
bool rust_helper_rust_netif_tx_wake(struct netdev_queue *txq)
{
	if (!is_in_use(txq->dev))
		return false;
	netif_tx_wake_queue(txq);
	/* Either this sees the mark, or the code that has set the mark sees the woken queue. */
	smp_mb();
	if (netif_device_present(txq->dev))
		return true;
	netif_tx_stop_queue(txq);
	return false;
}

bool rust_helper_netif_tx_queue_stopped(const struct netdev_queue *txq)
{
	return netif_tx_queue_stopped(txq);
}

bool rust_helper_netif_xmit_stopped(const struct netdev_queue *txq)
{
	return netif_xmit_stopped(txq);
}

bool rust_helper___netdev_tx_sent_queue(struct netdev_queue *txq, unsigned int bytes, bool more)
{
	return __netdev_tx_sent_queue(txq, bytes, more);
}

void rust_helper_netdev_tx_completed_queue(struct netdev_queue *txq, unsigned int packets,
					   unsigned int bytes)
{
#ifdef CONFIG_BQL
	/* The core has a BUG_ON() for more bytes than were sent. */
	bytes = min(bytes, READ_ONCE(txq->dql.num_queued) - txq->dql.num_completed);
#endif
	netdev_tx_completed_queue(txq, packets, bytes);
}

void rust_helper_netdev_tx_reset_queue(struct netdev_queue *txq)
{
	netdev_tx_reset_queue(txq);
}

void rust_helper___netif_tx_lock(struct netdev_queue *txq)
{
	__netif_tx_lock(txq, smp_processor_id());
}

bool rust_helper___netif_tx_trylock(struct netdev_queue *txq)
{
	return __netif_tx_trylock(txq);
}

void rust_helper___netif_tx_unlock(struct netdev_queue *txq)
{
	__netif_tx_unlock(txq);
}

void rust_helper___netif_tx_lock_bh(struct netdev_queue *txq)
{
	__netif_tx_lock_bh(txq);
}

void rust_helper___netif_tx_unlock_bh(struct netdev_queue *txq)
{
	__netif_tx_unlock_bh(txq);
}

/* --- NAPI --- */

void rust_helper_netif_napi_add_config(struct net_device *dev, struct napi_struct *napi,
				       int (*poll)(struct napi_struct *, int), int index)
{
	netif_napi_add_config(dev, napi, poll, index);
}

void rust_helper_napi_set_weight(struct napi_struct *napi, int weight)
{
	napi->weight = weight;
}

void rust_helper_netif_napi_add_tx_weight(struct net_device *dev, struct napi_struct *napi,
					  int (*poll)(struct napi_struct *, int), int weight)
{
	netif_napi_add_tx_weight(dev, napi, poll, weight);
}

void rust_helper___netif_napi_del(struct napi_struct *napi)
{
	__netif_napi_del(napi);
}

void rust_helper_napi_gro_receive(struct napi_struct *napi, struct sk_buff *skb)
{
	napi_gro_receive(napi, skb);
}

/* --- sk_buff --- */

struct skb_shared_info *rust_helper_skb_shinfo(const struct sk_buff *skb)
{
	return skb_shinfo(skb);
}

bool rust_helper_skb_header_cloned(const struct sk_buff *skb)
{
	return skb_header_cloned(skb);
}

void rust_helper_skb_set_checksum_unnecessary(struct sk_buff *skb)
{
	skb->ip_summed = CHECKSUM_UNNECESSARY;
}

void rust_helper_skb_set_hash(struct sk_buff *skb, u32 hash, enum pkt_hash_types type)
{
	skb_set_hash(skb, hash, type);
}

bool rust_helper_netif_needs_gso(struct sk_buff *skb, netdev_features_t features)
{
	return netif_needs_gso(skb, features);
}

int rust_helper_skb_orphan_frags(struct sk_buff *skb, gfp_t gfp)
{
	return skb_orphan_frags(skb, gfp);
}

void rust_helper_skb_detach(struct sk_buff *skb)
{
	skb_orphan(skb);
	skb_dst_drop(skb);
	nf_reset_ct(skb);
}

void rust_helper_skb_tx_timestamp(struct sk_buff *skb)
{
	skb_tx_timestamp(skb);
}

struct page *rust_helper_skb_frag_page(const skb_frag_t *frag)
{
	return skb_frag_page(frag);
}

struct sk_buff *rust_helper_alloc_skb(unsigned int size, gfp_t gfp)
{
	return alloc_skb(size, gfp);
}

void *rust_helper___skb_put(struct sk_buff *skb, unsigned int len)
{
	return __skb_put(skb, len);
}

/* Sets the start and the length of a packet that was built around memory of a page pool. */
void rust_helper_skb_rx_place(struct sk_buff *skb, unsigned int reserve, unsigned int len)
{
	skb_reserve(skb, reserve);
	__skb_put(skb, len);
	skb_mark_for_recycle(skb);
}

/*
 * Makes room for the data of a copied packet. The packet has no memory of a page pool, but other
 * packets of its flow have. It is marked as they are, because GRO merges only packets with the same
 * mark.
 */
void *rust_helper_skb_rx_put(struct sk_buff *skb, unsigned int len)
{
	skb_mark_for_recycle(skb);
	return __skb_put(skb, len);
}

void rust_helper_skb_mark_for_recycle(struct sk_buff *skb)
{
	skb_mark_for_recycle(skb);
}

void rust_helper_skb_add_rx_frag(struct sk_buff *skb, int i, struct page *page, int off, int size,
				 unsigned int truesize)
{
	skb_add_rx_frag(skb, i, page, off, size, truesize);
}

bool rust_helper_skb_can_coalesce(struct sk_buff *skb, int i, const struct page *page, int off)
{
	return skb_can_coalesce(skb, i, page, off);
}

int rust_helper_virtio_net_hdr_to_skb(struct sk_buff *skb, const struct virtio_net_hdr *hdr,
				      bool little_endian)
{
	return virtio_net_hdr_to_skb(skb, hdr, little_endian);
}

/* The fields are in the byte order of the CPU; the function of the kernel takes little-endian. */
int rust_helper_rust_tunnel_hdr_to_skb(struct sk_buff *skb, const struct virtio_net_hdr *hdr,
				       u16 outer_th, u16 inner_nh, bool takes_csum)
{
	struct virtio_net_hdr_v1_hash_tunnel vhdr = {
		.hash_hdr.hdr = {
			.flags = hdr->flags,
			.gso_type = hdr->gso_type,
			.hdr_len = __cpu_to_virtio16(true, (__force u16)hdr->hdr_len),
			.gso_size = __cpu_to_virtio16(true, (__force u16)hdr->gso_size),
			.csum_start = __cpu_to_virtio16(true, (__force u16)hdr->csum_start),
			.csum_offset = __cpu_to_virtio16(true, (__force u16)hdr->csum_offset),
		},
		.outer_th_offset = cpu_to_le16(outer_th),
		.inner_nh_offset = cpu_to_le16(inner_nh),
	};

	return virtio_net_hdr_tnl_to_skb(skb, &vhdr, true, takes_csum, true);
}

void rust_helper_skb_set_csum_level(struct sk_buff *skb, u8 level)
{
	skb->csum_level = level;
}

void rust_helper_skb_set_rx_dev(struct sk_buff *skb, struct net_device *dev)
{
	skb->dev = dev;
	skb_set_network_header(skb, ETH_HLEN);
}

void rust_helper_skb_set_rx_protocol(struct sk_buff *skb, struct net_device *dev, u16 queue)
{
	skb_record_rx_queue(skb, queue);
	skb->protocol = eth_type_trans(skb, dev);
}

/* --- pages --- */

void *rust_helper_page_pool_alloc_va(struct page_pool *pool, unsigned int *size, gfp_t gfp)
{
	unsigned int offset;
	netmem_ref netmem = page_pool_alloc_netmem(pool, &offset, size, gfp);

	if (unlikely(!netmem))
		return NULL;
	/* The pools of this crate have only pages, and none in high memory. */
	return page_address(__netmem_to_page(netmem)) + offset;
}

/* A page has a pointer to its pool while it is allocated from the pool. */
static struct page_pool *page_pool_of(struct page *page)
{
	return pp_page_to_nmdesc(page)->pp;
}

/* Only for pools of single pages. */
void rust_helper_page_pool_put_va(void *va)
{
	struct page *page = virt_to_page(va);

	page_pool_put_page(page_pool_of(page), page, -1, false);
}

bool rust_helper_page_pool_has_va(const struct page_pool *pool, void *va)
{
	return page_pool_of(virt_to_head_page(va)) == pool;
}

bool rust_helper_rust_in_hardirq(void)
{
	return unlikely(in_hardirq());
}

void rust_helper_rust_report_leak(void)
{
	pr_err("rust_net: a buffer is leaked: it was dropped in a hard interrupt\n");
}

dma_addr_t rust_helper_page_pool_dma_addr_va(void *va)
{
	struct page *page = virt_to_head_page(va);

	return page_pool_get_dma_addr(page) + (va - page_address(page));
}

void rust_helper_page_pool_sync_va(void *va, u32 len)
{
	struct page *page = virt_to_head_page(va);

	/* The DMA checker takes no bytes at the end of another mapping for those of that one. */
	if (len)
		page_pool_dma_sync_for_cpu(page_pool_of(page), page, va - page_address(page), len);
}

/*
 * Gives memory of a pool that maps its pages back to the device. False if the memory is that of
 * another pool.
 */
bool rust_helper_page_pool_sync_for_device_va(struct page_pool *pool, void *va, u32 len)
{
	struct page *page = virt_to_head_page(va);

	if (page_pool_of(page) != pool)
		return false;
	dma_sync_single_range_for_device(pool->p.dev, page_pool_get_dma_addr(page),
					 va - page_address(page), len, pool->p.dma_dir);
	return true;
}

struct page *rust_helper_virt_to_head_page(const void *va)
{
	return virt_to_head_page(va);
}

void *rust_helper_page_address(struct page *page)
{
	return page_address(page);
}

int rust_helper_dev_to_node(struct device *dev)
{
	return dev_to_node(dev);
}

/* --- the rest --- */

void rust_helper_local_bh_disable(void)
{
	local_bh_disable();
}

void rust_helper_local_bh_enable(void)
{
	local_bh_enable();
}

/* An inline function in kernels without CPU hotplug. */
void rust_helper_cpus_read_lock(void)
{
	cpus_read_lock();
}

void rust_helper_cpus_read_unlock(void)
{
	cpus_read_unlock();
}

unsigned int rust_helper_num_online_cpus(void)
{
	return num_online_cpus();
}

unsigned int rust_helper_cpumask_next_online(int cpu)
{
	return cpumask_next(cpu, cpu_online_mask);
}

int rust_helper_netif_set_xps_cpus(struct net_device *dev, const struct cpumask *mask, u16 index)
{
	return __netif_set_xps_queue(dev, cpumask_bits(mask), index, XPS_CPUS);
}

struct vlan_call {
	void (*call)(void *data, u16 vid);
	void *data;
};

static int call_for_vlan(struct net_device *vlan, int vid, void *arg)
{
	const struct vlan_call *to = arg;

	/* For an ID without a VLAN device, the protocol is unknown. */
	if (!vlan || vlan_dev_vlan_proto(vlan) == htons(ETH_P_8021Q))
		to->call(to->data, vid);
	return 0;
}

void rust_helper_rust_netdev_for_each_vlan(struct net_device *dev,
					   void (*call)(void *data, u16 vid), void *data)
{
	struct vlan_call to = { .call = call, .data = data };

	vlan_for_each(dev, call_for_vlan, &to);
}

u32 rust_helper_hw_addr_count(const struct netdev_hw_addr_list *list)
{
	return netdev_hw_addr_list_count(list);
}

u32 rust_helper_hw_addr_copy(const struct netdev_hw_addr_list *list, u8 *to, u32 max)
{
	struct netdev_hw_addr *ha;
	u32 n = 0;

	netdev_hw_addr_list_for_each(ha, list) {
		if (n == max)
			break;
		memcpy(to + n * ETH_ALEN, ha->addr, ETH_ALEN);
		n++;
	}
	return n;
}

static const struct netdev_hw_addr_list *addr_list(const struct net_device *dev, bool multicast)
{
	return multicast ? &dev->mc : &dev->uc;
}

u32 rust_helper_netdev_addr_count(const struct net_device *dev, bool multicast)
{
	return READ_ONCE(addr_list(dev, multicast)->count);
}

u32 rust_helper_netdev_addr_copy(struct net_device *dev, bool multicast, u8 *to, u32 max)
{
	u32 n;

	netif_addr_lock_bh(dev);
	n = rust_helper_hw_addr_copy(addr_list(dev, multicast), to, max);
	netif_addr_unlock_bh(dev);
	return n;
}

void rust_helper_rust_init_work(struct work_struct *work, work_func_t func)
{
	INIT_WORK(work, func);
}

void rust_helper_rust_init_timer(struct timer_list *timer, void (*func)(struct timer_list *))
{
	timer_setup(timer, func, 0);
}

/* Soon, but late enough that other code may have freed memory. */
void rust_helper_rust_start_retry(struct timer_list *timer)
{
	timer_reduce(timer, jiffies + HZ / 50 + 1);
}

void rust_helper_rust_init_delayed_work(struct delayed_work *work, work_func_t func)
{
	INIT_DELAYED_WORK(work, func);
}

void rust_helper_rust_schedule_delayed_work(struct workqueue_struct *queue,
					    struct delayed_work *work, unsigned int millis)
{
	mod_delayed_work(queue, work, msecs_to_jiffies(millis));
}

/* The work of the queue does not run while the system sleeps. NULL: there is no memory. */
struct workqueue_struct *rust_helper_rust_alloc_workqueue(const struct device *dev, bool rescuer)
{
	return alloc_workqueue("net-%s", WQ_UNBOUND | WQ_FREEZABLE | (rescuer ? WQ_MEM_RECLAIM : 0),
			       0, dev_name(dev));
}

unsigned int rust_helper_rust_noio_save(void)
{
	return memalloc_noio_save();
}

void rust_helper_rust_noio_restore(unsigned int flags)
{
	memalloc_noio_restore(flags);
}

bool rust_helper_schedule_work(struct work_struct *work)
{
	return schedule_work(work);
}

/* --- dynamic interrupt moderation --- */

/* A kernel without DIMLIB lacks its functions: no call of them may be left. */
int rust_helper_rust_dim_init(struct net_device *dev, work_func_t func)
{
	if (!IS_ENABLED(CONFIG_DIMLIB))
		return -EOPNOTSUPP;
	return net_dim_init_irq_moder(dev, DIM_PROFILE_RX, DIM_COALESCE_USEC | DIM_COALESCE_PKTS,
				      DIM_CQ_PERIOD_MODE_START_FROM_EQE, 0, func, NULL);
}

void rust_helper_rust_dim_set(struct net_device *dev, struct dim *dim)
{
	if (IS_ENABLED(CONFIG_DIMLIB))
		net_dim_setting(dev, dim, false);
}

void rust_helper_rust_dim_measure(struct dim *dim, u16 events, u64 packets, u64 bytes)
{
	struct dim_sample sample = {};

	dim_update_sample(events, packets, bytes, &sample);
	if (IS_ENABLED(CONFIG_DIMLIB))
		net_dim(dim, &sample);
}

void rust_helper_rust_dim_result(struct net_device *dev, struct dim *dim, u16 *usecs, u16 *packets)
{
	struct dim_cq_moder moder = {};

	if (IS_ENABLED(CONFIG_DIMLIB))
		moder = net_dim_get_rx_irq_moder(dev, dim);
	*usecs = moder.usec;
	*packets = moder.pkts;
}

/* Frees the profiles, if there are any. The device is not registered. */
void rust_helper_rust_dim_free(struct net_device *dev)
{
	if (!IS_ENABLED(CONFIG_DIMLIB))
		return;
	rtnl_lock();
	net_dim_free_irq_moder(dev);
	dev->irq_moder = NULL;
	rtnl_unlock();
}

/* The poll of the queue may change the state again from here on. */
void rust_helper_rust_dim_restart(struct dim *dim)
{
	/* Pairs with the control dependency on the state in net_dim(). */
	smp_store_release(&dim->state, DIM_START_MEASURE);
}

void rust_helper_rust_dim_cancel(struct dim *dim)
{
	cancel_work_sync(&dim->work);
}

void rust_helper_rust_dim_disable(struct dim *dim)
{
	disable_work_sync(&dim->work);
}
