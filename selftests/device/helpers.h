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
	bool xdp;
	bool checks_address;
	int napi_weight;
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
void rust_virtio_fake_timeout(struct block_device *bdev, unsigned int millis);
struct net_device *rust_virtio_fake_netdev(struct device *dev);
void rust_virtio_fake_dev_hold(struct net_device *dev);
void rust_virtio_fake_dev_put(struct net_device *dev);
void rust_virtio_fake_nic(struct net_device *dev,
			  struct rust_virtio_fake_nic *nic);
int rust_virtio_fake_set_up(struct net_device *dev, bool up);
int rust_virtio_fake_set_mtu(struct net_device *dev, int mtu);
int rust_virtio_fake_set_mac(struct net_device *dev, const u8 *mac);
int rust_virtio_fake_set_promisc(struct net_device *dev, bool on);
int rust_virtio_fake_set_vlan(struct net_device *dev, u16 vid, bool on);
int rust_virtio_fake_add_multicast(struct net_device *dev, const u8 *addr);
int rust_virtio_fake_set_present(struct net_device *dev, bool present);
int rust_virtio_fake_set_tx_frames(struct net_device *dev, u32 frames);
void rust_virtio_fake_netpoll(struct net_device *dev, bool locked, u16 queue);
int rust_virtio_fake_set_channels(struct net_device *dev, u32 pairs);
u32 rust_virtio_fake_let_go(void);
int rust_virtio_fake_set_gro_hw(struct net_device *dev, bool on);
u8 rust_virtio_fake_frame_summed(const struct sk_buff *skb);
int rust_virtio_fake_send(struct net_device *dev, const void *frame, u32 len,
			  u16 queue, u16 gso_size, s32 csum_start,
			  u16 csum_offset);
int rust_virtio_fake_completes(struct net_device *dev, bool encapsulated,
			       bool gso, bool cuts);
u32 rust_virtio_fake_frame_len(const struct sk_buff *skb);
u32 rust_virtio_fake_frame_linear(const struct sk_buff *skb);
u32 rust_virtio_fake_frame_headroom(const struct sk_buff *skb);
bool rust_virtio_fake_frame_aligned(const struct sk_buff *skb);
int rust_virtio_fake_frame(const struct sk_buff *skb, void *to, u32 len);
void rust_virtio_fake_free(struct sk_buff *skb);
void rust_virtio_fake_bh(bool on);
int rust_virtio_fake_move_to(unsigned int cpu);
void rust_virtio_fake_move_anywhere(void);

#endif
