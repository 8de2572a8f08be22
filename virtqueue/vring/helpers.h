/* SPDX-License-Identifier: GPL-2.0 */
/* Inline functions and macros of the kernel that bindgen cannot call. */
#ifndef RUST_VIRTIO_HELPERS_H
#define RUST_VIRTIO_HELPERS_H

#include <linux/dma-direction.h>
#include <linux/types.h>

struct device;
struct list_head;
struct page;

/*
 * Linked as bitcode into Rust code, these functions are inlined by force, as
 * the helpers of the kernel crate are. The compiler flags of C and Rust differ
 * in ways that do not matter here, but for which LLVM would keep the calls.
 */
#ifdef RUST_VIRTIO_INLINE_HELPERS
#pragma clang attribute push(__attribute__((always_inline)), apply_to = function)
#endif

void rust_virtio_virt_mb(void);
void rust_virtio_virt_rmb(void);
void rust_virtio_virt_wmb(void);

struct page *rust_virtio_virt_to_page(const void *addr);
u64 rust_virtio_virt_to_phys(const void *addr);
u64 rust_virtio_page_to_phys(struct page *page);
struct page *rust_virtio_phys_to_page(u64 phys);
void rust_virtio_handle_dma(u64 phys, size_t size, enum dma_data_direction dir);

gfp_t rust_virtio_table_gfp(bool sleeps);
void *rust_virtio_alloc_table(size_t bytes, gfp_t gfp);
void rust_virtio_free_table(void *table);

u32 rust_virtio_jiffies(void);

void rust_virtio_device_lock(struct device *dev);
void rust_virtio_device_unlock(struct device *dev);
bool rust_virtio_device_trylock(struct device *dev);

u8 rust_virtio_ioread8(void *addr);
void rust_virtio_iowrite8(u8 value, void *addr);
u16 rust_virtio_ioread16(void *addr);
void rust_virtio_iowrite16(u16 value, void *addr);

void rust_virtio_list_del(struct list_head *entry);
bool rust_virtio_xen_domain(void);
bool rust_virtio_may_map(struct device *dev, const void *addr);

dma_addr_t rust_virtio_dma_map_phys(struct device *dev, u64 phys, size_t size,
				    enum dma_data_direction dir,
				    unsigned long attrs);
void rust_virtio_dma_unmap_phys(struct device *dev, dma_addr_t addr,
				size_t size, enum dma_data_direction dir,
				unsigned long attrs);
dma_addr_t rust_virtio_dma_map_page(struct device *dev, struct page *page,
				    size_t offset, size_t size,
				    enum dma_data_direction dir,
				    unsigned long attrs);
void rust_virtio_dma_unmap_page(struct device *dev, dma_addr_t addr,
				size_t size, enum dma_data_direction dir,
				unsigned long attrs);
int rust_virtio_dma_mapping_error(struct device *dev, dma_addr_t addr);
bool rust_virtio_dma_need_sync(struct device *dev, dma_addr_t addr);
void rust_virtio_dma_sync_for_cpu(struct device *dev, dma_addr_t addr,
				  size_t size, enum dma_data_direction dir);
void rust_virtio_dma_sync_for_device(struct device *dev, dma_addr_t addr,
				     size_t size, enum dma_data_direction dir);

#ifdef RUST_VIRTIO_INLINE_HELPERS
#pragma clang attribute pop
#endif

#endif
