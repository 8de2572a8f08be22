/* SPDX-License-Identifier: GPL-2.0 */
/* Inline functions and macros of the kernel that bindgen cannot call. */
#ifndef RUST_VIRTIO_FAKE_HELPERS_H
#define RUST_VIRTIO_FAKE_HELPERS_H

#include <linux/cpumask_types.h>
#include <linux/irq_work.h>
#include <linux/types.h>

void *rust_virtio_fake_memory(u64 phys, u64 len);
void rust_virtio_fake_irq_work_init(struct irq_work *work,
				    void (*func)(struct irq_work *work));
void rust_virtio_fake_irq_work_sync(struct irq_work *work);
unsigned int rust_virtio_fake_cpumask_first(const struct cpumask *mask);

/* Memory that is mapped for a device, and scatterlists of it. */

struct page;
struct scatterlist;

struct device;

u64 rust_virtio_fake_page_phys(const struct page *page);
void rust_virtio_fake_dma(struct device *dev);
u64 rust_virtio_fake_phys(const void *at);
void *rust_virtio_fake_image(void);
void *rust_virtio_fake_alloc(size_t size);
void rust_virtio_fake_free_area(void *area, size_t size);
void rust_virtio_fake_sg_set(struct scatterlist *sg, const void *at,
			     unsigned int len);
void rust_virtio_fake_sg_dma(struct scatterlist *sg, u64 addr);

/* The running test, and its messages in the kernel log. */

void rust_virtio_fake_skip(const char *why);
unsigned int rust_virtio_fake_messages(const char *part);

/* Disks and network interfaces, as their users see them. */

struct block_device;
struct device;
struct net_device;
struct sk_buff;
struct virtio_device;

struct rust_virtio_fake_limits {
	u64 sectors;
	u32 logical_block_size;
	u32 physical_block_size;
	u32 io_min;
	u32 io_opt;
	u32 max_segments;
	u32 max_segment_size;
	u32 max_hw_sectors;
	u32 max_discard_sectors;
	u32 discard_granularity;
	u32 max_write_zeroes_sectors;
	u32 nr_hw_queues;
	bool read_only;
	bool write_cache;
	bool batches;
};

struct rust_virtio_fake_nic {
	u32 mtu;
	u32 max_mtu;
	u32 tx_queues;
	u32 rx_queues;
	u8 mac[6];
	u8 assign_type;
	bool running;
	bool carrier;
	bool tx_stopped;
	u64 features;
	u32 speed;
	u8 duplex;
	bool af_xdp;
	bool checks_address;
	int napi_weight;
	u32 reserved;
	u32 bql;
};

struct rust_virtio_fake_coalesce {
	u32 rx_usecs;
	u32 rx_frames;
	u32 tx_usecs;
	u32 tx_frames;
	bool adaptive_rx;
};

/* The number of values of the statistics of a receive, and of a transmit queue. */
#define RUST_VIRTIO_FAKE_RX_STATS 14
#define RUST_VIRTIO_FAKE_TX_STATS 13

struct rust_virtio_fake_drops;

struct rust_virtio_fake_drops *
rust_virtio_fake_drops_begin(const struct net_device *dev);
u32 rust_virtio_fake_drops_count(const struct rust_virtio_fake_drops *drops,
				 u32 reason);
void rust_virtio_fake_drops_end(struct rust_virtio_fake_drops *drops);

struct rust_virtio_fake_failover {
	u32 index;
	u32 upper;
	bool slave;
	u8 port_name[16];
	int port_name_ret;
};

struct rust_virtio_fake_tunnel {
	bool encapsulated;
	bool in_tunnel;
	bool csum;
	u8 csum_level;
	u16 outer_transport;
	u16 inner_network;
	u16 inner_transport;
	u16 gso_size;
};

struct rust_virtio_fake_tunnel_features {
	bool gso;
	bool gso_csum;
	bool inner_gso;
	bool inner_gso_csum;
	bool inner_tso;
	bool inner_csum;
};

bool rust_virtio_fake_may_do_io(void);
void rust_virtio_fake_shutdown(struct virtio_device *vdev);
void rust_virtio_fake_lock(struct device *parent, bool lock);
bool rust_virtio_fake_is_class(const struct device *dev, const char *name);
ssize_t rust_virtio_fake_attribute(struct device *dev, const char *name,
				   char *page, size_t len, bool store);
void rust_virtio_fake_limits(struct block_device *bdev,
			     struct rust_virtio_fake_limits *limits);
int rust_virtio_fake_set_param(const char *module, const char *name,
			       const char *value);
int rust_virtio_fake_read_polled(struct block_device *bdev, sector_t sector,
				 struct page *page, bool *batched);
int rust_virtio_fake_write_safely(struct block_device *bdev, sector_t sector,
				  void *data, size_t len);
void rust_virtio_fake_timeout(struct block_device *bdev, unsigned int millis);
struct net_device *rust_virtio_fake_netdev(struct device *parent, bool master);
void rust_virtio_fake_failover(struct net_device *dev,
			       struct rust_virtio_fake_failover *place);
int rust_virtio_fake_open_first(struct device *parent);
void rust_virtio_fake_open_none(void);
void rust_virtio_fake_dev_hold(struct net_device *dev);
void rust_virtio_fake_dev_put(struct net_device *dev);
void rust_virtio_fake_nic(struct net_device *dev,
			  struct rust_virtio_fake_nic *nic);
int rust_virtio_fake_set_up(struct net_device *dev, bool up);
int rust_virtio_fake_set_mtu(struct net_device *dev, int mtu);
int rust_virtio_fake_set_mac(struct net_device *dev, const u8 *mac);
int rust_virtio_fake_set_promisc(struct net_device *dev, bool on);
int rust_virtio_fake_set_vlan(struct net_device *dev, u16 vid, bool on);
int rust_virtio_fake_limit_rx_queues(struct net_device *dev, unsigned int count);
int rust_virtio_fake_set_vlans(struct net_device *dev, u16 count, bool on);
int rust_virtio_fake_add_multicast(struct net_device *dev, const u8 *addr);
int rust_virtio_fake_set_present(struct net_device *dev, bool present);
int rust_virtio_fake_set_tx_frames(struct net_device *dev, u32 frames);
int rust_virtio_fake_get_coalesce(struct net_device *dev, int queue,
				  struct rust_virtio_fake_coalesce *to);
int rust_virtio_fake_set_coalesce(struct net_device *dev, int queue,
				  const struct rust_virtio_fake_coalesce *from);
int rust_virtio_fake_ethtool_stats(struct net_device *dev, char *names,
				   u64 *values, u32 room);
int rust_virtio_fake_queue_stats(struct net_device *dev, int queue, u64 *rx,
				 u64 *tx);
void rust_virtio_fake_netpoll(struct net_device *dev, bool locked, u16 queue);
int rust_virtio_fake_set_channels(struct net_device *dev, u32 pairs);
int rust_virtio_fake_set_rings(struct net_device *dev, u32 rx, u32 tx, u32 mini,
			       u32 jumbo);
void rust_virtio_fake_rings(struct net_device *dev, u32 *rings);

/* Faults of the core in a restart of a receive queue. */
enum rust_virtio_fake_restart {
	RUST_VIRTIO_FAKE_NO_FAULT,
	RUST_VIRTIO_FAKE_NO_MEMORY,
	RUST_VIRTIO_FAKE_NO_START,
	RUST_VIRTIO_FAKE_PROVIDER,
};

int rust_virtio_fake_restart_rx(struct net_device *dev, u32 queue,
				enum rust_virtio_fake_restart fault);
int rust_virtio_fake_get_rxfh(struct net_device *dev, u32 *table, u32 *entries,
			      u8 *key, u32 *key_len);
int rust_virtio_fake_set_rxfh(struct net_device *dev, const u32 *table,
			      const u8 *key, u8 hfunc);
int rust_virtio_fake_rxfh_fields(struct net_device *dev, u32 flow, u32 *data);
int rust_virtio_fake_set_rxfh_fields(struct net_device *dev, u32 flow, u32 data);
int rust_virtio_fake_set_rxhash(struct net_device *dev, bool on);
bool rust_virtio_fake_has_rxhash(struct net_device *dev);
u32 rust_virtio_fake_let_go(void);
int rust_virtio_fake_set_gro_hw(struct net_device *dev, bool on);
int rust_virtio_fake_set_watchdog(struct net_device *dev, u32 millis);
int rust_virtio_fake_disable_ipv6(struct net_device *dev);
u8 rust_virtio_fake_frame_summed(const struct sk_buff *skb);
int rust_virtio_fake_send(struct net_device *dev, const void *frame, u32 len,
			  u16 queue, u16 gso_size, s32 csum_start,
			  u16 csum_offset);
int rust_virtio_fake_send_segments(struct net_device *dev, const void *frame,
				    u32 len, bool tcp, u16 gso_size, u16 start,
				    u16 offset);
int rust_virtio_fake_send_owned(struct net_device *dev, const void *frame,
				u32 len, bool *no_route, bool *no_pages);
int rust_virtio_fake_send_clone(struct net_device *dev, const void *frame,
				u32 len);
int rust_virtio_fake_send_tunnel(struct net_device *dev, const void *frame,
				 u32 len,
				 const struct rust_virtio_fake_tunnel *tunnel);
void rust_virtio_fake_frame_tunnel(const struct sk_buff *skb,
				   struct rust_virtio_fake_tunnel *tunnel);
void rust_virtio_fake_tunnel_features(struct net_device *dev,
				      struct rust_virtio_fake_tunnel_features *to);
int rust_virtio_fake_completes(struct net_device *dev, bool encapsulated,
			       bool gso, bool cuts);
u32 rust_virtio_fake_frame_len(const struct sk_buff *skb);
u32 rust_virtio_fake_frame_linear(const struct sk_buff *skb);
u32 rust_virtio_fake_frame_headroom(const struct sk_buff *skb);
u32 rust_virtio_fake_frame_hash(const struct sk_buff *skb, bool *with_ports);
int rust_virtio_fake_frame_queue(const struct sk_buff *skb);
bool rust_virtio_fake_frame_aligned(const struct sk_buff *skb);
int rust_virtio_fake_frame(const struct sk_buff *skb, void *to, u32 len);
void rust_virtio_fake_free(struct sk_buff *skb);
void rust_virtio_fake_bh(bool on);
int rust_virtio_fake_move_to(unsigned int cpu);
void rust_virtio_fake_move_anywhere(void);

#endif
