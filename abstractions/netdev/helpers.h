/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Inline functions, macros and fields of the kernel that bindgen cannot reach. The fields are those
 * of `struct net_device`, which depend too much on the configuration for bindgen.
 */
#ifndef RUST_NET_HELPERS_H
#define RUST_NET_HELPERS_H

#include <linux/ethtool.h>
#include <linux/netdevice.h>
#include <linux/skbuff.h>

struct dim;
struct failover;
struct netdev_queue_stats_rx;
struct netdev_queue_stats_tx;
struct netdev_rx_queue;
struct netdev_queue_mgmt_ops;
struct netdev_stat_ops;
struct page_pool;
struct virtio_net_hdr;

/*
 * Linked as bitcode into Rust code, these are inlined by force, as those of the
 * kernel crate: C and Rust are compiled with different flags, although these do
 * not matter here, so LLVM would not inline them.
 */
#ifdef RUST_VIRTIO_INLINE_HELPERS
#pragma clang attribute push(__attribute__((always_inline)), apply_to = function)
#endif

void rust_helper_netdev_set_ops(struct net_device *dev, struct device *parent,
				const struct net_device_ops *ops,
				const struct ethtool_ops *ethtool_ops,
				const struct netdev_stat_ops *stat_ops);
void rust_helper_netdev_set_rx_queue_group(struct net_device *dev,
					   const struct attribute_group *group);
void rust_helper_rust_netdev_name(const struct net_device *dev, char *to, size_t size);
void rust_helper_rust_dev_warn(const struct net_device *dev, const void *message);
void rust_helper_rust_netdev_err(const struct net_device *dev, const void *message);
void rust_helper_rust_netdev_warn(const struct net_device *dev, const void *message);
void rust_helper_rust_netdev_info(const struct net_device *dev, const void *message);
unsigned int rust_helper_netdev_mtu(const struct net_device *dev);
unsigned int rust_helper_netdev_flags(const struct net_device *dev);
void rust_helper_netdev_add_priv_flags(struct net_device *dev, u32 flags);
netdev_features_t rust_helper_netdev_features(const struct net_device *dev);
void rust_helper_netdev_set_features(struct net_device *dev, netdev_features_t features,
				     netdev_features_t hw_features);
void rust_helper_netdev_remove_hw_features(struct net_device *dev, netdev_features_t features);
void rust_helper_netdev_set_vlan_features(struct net_device *dev, netdev_features_t features);
void rust_helper_netdev_set_hw_enc_features(struct net_device *dev, netdev_features_t features);
void rust_helper_netdev_set_mtu(struct net_device *dev, unsigned int mtu, unsigned int min_mtu,
				unsigned int max_mtu);
void rust_helper_netdev_set_needed_headroom(struct net_device *dev, unsigned short headroom);
const unsigned char *rust_helper_netdev_addr(const struct net_device *dev);
void rust_helper_eth_hw_addr_random(struct net_device *dev);
void rust_helper_eth_hw_addr_set(struct net_device *dev, const u8 *addr);
unsigned int rust_helper_netdev_rx_queue_index(struct netdev_rx_queue *queue);
struct net_device *rust_helper_netdev_rx_queue_dev(struct netdev_rx_queue *queue);
unsigned int rust_helper_netdev_real_rx_queues(const struct net_device *dev);
bool rust_helper_netif_running(const struct net_device *dev);
bool rust_helper_rust_netdev_has_own_lock(const struct net_device *dev);
bool rust_helper_rust_netdev_lock_own(struct net_device *dev);
void rust_helper_rust_netdev_unlock(struct net_device *dev);
void rust_helper_rust_netdev_set_queue_mgmt_ops(struct net_device *dev,
						const struct netdev_queue_mgmt_ops *ops);
bool rust_helper_rust_netdev_in_use(const struct net_device *dev);
struct netdev_queue *rust_helper_netdev_get_tx_queue(struct net_device *dev, unsigned int index);
unsigned int rust_helper_netdev_queue_age_usecs(const struct netdev_queue *txq);
void rust_helper_rust_netif_set_carrier(struct net_device *dev, bool on);
void rust_helper_rust_netdev_work_sched(struct net_device *dev);
bool rust_helper_rust_netdev_has_page_pools(const struct net_device *dev);
struct failover *rust_helper_rust_failover_create(struct net_device *standby);
void rust_helper_rust_failover_destroy(struct failover *failover);
void rust_helper_netif_tx_stop_all_queues(struct net_device *dev);
void rust_helper_netif_tx_detach(struct net_device *dev);
void rust_helper_netif_tx_attach(struct net_device *dev);
void rust_helper_rust_netdev_inactive_stats(struct net_device *dev, int queues,
					    struct netdev_queue_stats_rx *rx,
					    struct netdev_queue_stats_tx *tx);
bool rust_helper_netdev_xmit_more(void);
void rust_helper_netif_tx_stop_queue(struct netdev_queue *txq);
void rust_helper_rust_netif_tx_stop_for(struct netdev_queue *txq, unsigned int millis);
bool rust_helper_rust_netif_tx_wake(struct netdev_queue *txq);
bool rust_helper_netif_tx_queue_stopped(const struct netdev_queue *txq);
bool rust_helper_netif_xmit_stopped(const struct netdev_queue *txq);
bool rust_helper___netdev_tx_sent_queue(struct netdev_queue *txq, unsigned int bytes, bool more);
void rust_helper_netdev_tx_completed_queue(struct netdev_queue *txq, unsigned int packets,
					   unsigned int bytes);
void rust_helper_netdev_tx_reset_queue(struct netdev_queue *txq);
void rust_helper___netif_tx_lock(struct netdev_queue *txq);
bool rust_helper___netif_tx_trylock(struct netdev_queue *txq);
void rust_helper___netif_tx_unlock(struct netdev_queue *txq);
void rust_helper___netif_tx_lock_bh(struct netdev_queue *txq);
void rust_helper___netif_tx_unlock_bh(struct netdev_queue *txq);
void rust_helper_netif_napi_add_config(struct net_device *dev, struct napi_struct *napi,
				       int (*poll)(struct napi_struct *, int), int index);
void rust_helper_napi_set_weight(struct napi_struct *napi, int weight);
void rust_helper_netif_napi_add_tx_weight(struct net_device *dev, struct napi_struct *napi,
					  int (*poll)(struct napi_struct *, int), int weight);
void rust_helper___netif_napi_del(struct napi_struct *napi);
void rust_helper_napi_gro_receive(struct napi_struct *napi, struct sk_buff *skb);
struct skb_shared_info *rust_helper_skb_shinfo(const struct sk_buff *skb);
bool rust_helper_skb_header_cloned(const struct sk_buff *skb);
void rust_helper_skb_set_checksum_unnecessary(struct sk_buff *skb);
void rust_helper_skb_set_hash(struct sk_buff *skb, u32 hash, enum pkt_hash_types type);
bool rust_helper_netif_needs_gso(struct sk_buff *skb, netdev_features_t features);
int rust_helper_skb_orphan_frags(struct sk_buff *skb, gfp_t gfp);
void rust_helper_skb_detach(struct sk_buff *skb);
void rust_helper_skb_tx_timestamp(struct sk_buff *skb);
struct page *rust_helper_skb_frag_page(const skb_frag_t *frag);
struct sk_buff *rust_helper_alloc_skb(unsigned int size, gfp_t gfp);
void *rust_helper___skb_put(struct sk_buff *skb, unsigned int len);
void *rust_helper_skb_rx_put(struct sk_buff *skb, unsigned int len);
void rust_helper_skb_rx_place(struct sk_buff *skb, unsigned int reserve, unsigned int len);
void rust_helper_skb_mark_for_recycle(struct sk_buff *skb);
void rust_helper_skb_add_rx_frag(struct sk_buff *skb, int i, struct page *page, int off, int size,
				 unsigned int truesize);
bool rust_helper_skb_can_coalesce(struct sk_buff *skb, int i, const struct page *page, int off);
int rust_helper_virtio_net_hdr_to_skb(struct sk_buff *skb, const struct virtio_net_hdr *hdr,
				      bool little_endian);
int rust_helper_rust_tunnel_hdr_to_skb(struct sk_buff *skb, const struct virtio_net_hdr *hdr,
				       u16 outer_th, u16 inner_nh, bool takes_csum);
void rust_helper_skb_set_csum_level(struct sk_buff *skb, u8 level);
void rust_helper_skb_set_rx_dev(struct sk_buff *skb, struct net_device *dev);
void rust_helper_skb_set_rx_protocol(struct sk_buff *skb, struct net_device *dev, u16 queue);
void *rust_helper_page_pool_alloc_va(struct page_pool *pool, unsigned int *size, gfp_t gfp);
void rust_helper_page_pool_put_va(void *va);
bool rust_helper_page_pool_has_va(const struct page_pool *pool, void *va);
bool rust_helper_rust_in_hardirq(void);
void rust_helper_rust_report_leak(void);
dma_addr_t rust_helper_page_pool_dma_addr_va(void *va);
void rust_helper_page_pool_sync_va(void *va, u32 len);
bool rust_helper_page_pool_sync_for_device_va(struct page_pool *pool, void *va, u32 len);
struct page *rust_helper_virt_to_head_page(const void *va);
void *rust_helper_page_address(struct page *page);
int rust_helper_dev_to_node(struct device *dev);
void rust_helper_local_bh_disable(void);
void rust_helper_local_bh_enable(void);
void rust_helper_cpus_read_lock(void);
void rust_helper_cpus_read_unlock(void);
unsigned int rust_helper_num_online_cpus(void);
unsigned int rust_helper_cpumask_next_online(int cpu);
int rust_helper_netif_set_xps_cpus(struct net_device *dev, const struct cpumask *mask, u16 index);
void rust_helper_rust_netdev_for_each_vlan(struct net_device *dev,
					   void (*call)(void *data, u16 vid), void *data);
u32 rust_helper_hw_addr_count(const struct netdev_hw_addr_list *list);
u32 rust_helper_hw_addr_copy(const struct netdev_hw_addr_list *list, u8 *to, u32 max);
u32 rust_helper_netdev_addr_count(const struct net_device *dev, bool multicast);
u32 rust_helper_netdev_addr_copy(struct net_device *dev, bool multicast, u8 *to, u32 max);
void rust_helper_rust_init_work(struct work_struct *work, work_func_t func);
void rust_helper_rust_init_timer(struct timer_list *timer, void (*func)(struct timer_list *));
void rust_helper_rust_start_retry(struct timer_list *timer);
bool rust_helper_schedule_work(struct work_struct *work);
void rust_helper_rust_init_delayed_work(struct delayed_work *work, work_func_t func);
void rust_helper_rust_schedule_delayed_work(struct workqueue_struct *queue,
					    struct delayed_work *work, unsigned int millis);
struct workqueue_struct *rust_helper_rust_alloc_workqueue(const struct device *dev, bool rescuer);
unsigned int rust_helper_rust_noio_save(void);
void rust_helper_rust_noio_restore(unsigned int flags);
int rust_helper_rust_dim_init(struct net_device *dev, work_func_t func);
void rust_helper_rust_dim_set(struct net_device *dev, struct dim *dim);
void rust_helper_rust_dim_measure(struct dim *dim, u16 events, u64 packets, u64 bytes);
void rust_helper_rust_dim_result(struct net_device *dev, struct dim *dim, u16 *usecs,
				 u16 *packets);
void rust_helper_rust_dim_free(struct net_device *dev);
void rust_helper_rust_dim_restart(struct dim *dim);
void rust_helper_rust_dim_cancel(struct dim *dim);
void rust_helper_rust_dim_disable(struct dim *dim);

#ifdef RUST_VIRTIO_INLINE_HELPERS
#pragma clang attribute pop
#endif

#endif
