// SPDX-License-Identifier: GPL-2.0

#include <linux/device.h>
#include <linux/dma-mapping.h>
#include <linux/export.h>
#include <linux/jiffies.h>
#include <linux/kmsan.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <xen/xen.h>
#include <asm/barrier.h>
#include <asm/io.h>

#include "helpers.h"

/* As bitcode, these functions are a part of the modules that use them. */
#ifdef RUST_VIRTIO_INLINE_HELPERS
#undef EXPORT_SYMBOL_GPL
#define EXPORT_SYMBOL_GPL(symbol)
#endif

void rust_virtio_virt_mb(void)
{
	/* The caller says what it pairs with. */
	virt_mb();
}
EXPORT_SYMBOL_GPL(rust_virtio_virt_mb);

void rust_virtio_virt_rmb(void)
{
	/* The caller says what it pairs with. */
	virt_rmb();
}
EXPORT_SYMBOL_GPL(rust_virtio_virt_rmb);

void rust_virtio_virt_wmb(void)
{
	/* The caller says what it pairs with. */
	virt_wmb();
}
EXPORT_SYMBOL_GPL(rust_virtio_virt_wmb);

struct page *rust_virtio_virt_to_page(const void *addr)
{
	return virt_to_page(addr);
}
EXPORT_SYMBOL_GPL(rust_virtio_virt_to_page);

u64 rust_virtio_virt_to_phys(const void *addr)
{
	return virt_to_phys((void *)addr);
}
EXPORT_SYMBOL_GPL(rust_virtio_virt_to_phys);

u64 rust_virtio_page_to_phys(struct page *page)
{
	return page_to_phys(page);
}
EXPORT_SYMBOL_GPL(rust_virtio_page_to_phys);

struct page *rust_virtio_phys_to_page(u64 phys)
{
	return phys_to_page(phys);
}
EXPORT_SYMBOL_GPL(rust_virtio_phys_to_page);

/* Tells KMSAN about memory that a device accesses without the DMA API. */
void rust_virtio_handle_dma(u64 phys, size_t size, enum dma_data_direction dir)
{
	kmsan_handle_dma(phys, size, dir);
}
EXPORT_SYMBOL_GPL(rust_virtio_handle_dma);

/* GFP_NOIO: the table may be for an I/O request. */
gfp_t rust_virtio_table_gfp(bool sleeps)
{
	return (sleeps ? GFP_NOIO : GFP_ATOMIC) | __GFP_NOWARN;
}
EXPORT_SYMBOL_GPL(rust_virtio_table_gfp);

/* Zeroed: the device may read parts that were not written. */
void *rust_virtio_alloc_table(size_t bytes, gfp_t gfp)
{
	return kzalloc(bytes, gfp);
}
EXPORT_SYMBOL_GPL(rust_virtio_alloc_table);

void rust_virtio_free_table(void *table)
{
	kfree(table);
}
EXPORT_SYMBOL_GPL(rust_virtio_free_table);

u32 rust_virtio_jiffies(void)
{
	return (u32)jiffies;
}
EXPORT_SYMBOL_GPL(rust_virtio_jiffies);

void rust_virtio_device_lock(struct device *dev)
{
	device_lock(dev);
}
EXPORT_SYMBOL_GPL(rust_virtio_device_lock);

void rust_virtio_device_unlock(struct device *dev)
{
	device_unlock(dev);
}
EXPORT_SYMBOL_GPL(rust_virtio_device_unlock);

bool rust_virtio_device_trylock(struct device *dev)
{
	return device_trylock(dev);
}
EXPORT_SYMBOL_GPL(rust_virtio_device_trylock);

/* A macro on some architectures. */
u8 rust_virtio_ioread8(void *addr)
{
	return ioread8((void __iomem __force *)addr);
}
EXPORT_SYMBOL_GPL(rust_virtio_ioread8);

void rust_virtio_iowrite8(u8 value, void *addr)
{
	iowrite8(value, (void __iomem __force *)addr);
}
EXPORT_SYMBOL_GPL(rust_virtio_iowrite8);

u16 rust_virtio_ioread16(void *addr)
{
	return ioread16((void __iomem __force *)addr);
}
EXPORT_SYMBOL_GPL(rust_virtio_ioread16);

void rust_virtio_iowrite16(u16 value, void *addr)
{
	iowrite16(value, (void __iomem __force *)addr);
}
EXPORT_SYMBOL_GPL(rust_virtio_iowrite16);

void rust_virtio_list_del(struct list_head *entry)
{
	list_del(entry);
}
EXPORT_SYMBOL_GPL(rust_virtio_list_del);

bool rust_virtio_xen_domain(void)
{
	return xen_domain();
}
EXPORT_SYMBOL_GPL(rust_virtio_xen_domain);

/* DMA must never operate on areas that might be remapped. */
bool rust_virtio_may_map(struct device *dev, const void *addr)
{
	return !dev_WARN_ONCE(dev, is_vmalloc_addr(addr),
			      "rejecting DMA map of vmalloc memory\n");
}
EXPORT_SYMBOL_GPL(rust_virtio_may_map);

dma_addr_t rust_virtio_dma_map_phys(struct device *dev, u64 phys, size_t size,
				    enum dma_data_direction dir,
				    unsigned long attrs)
{
	return dma_map_phys(dev, phys, size, dir, attrs);
}
EXPORT_SYMBOL_GPL(rust_virtio_dma_map_phys);

void rust_virtio_dma_unmap_phys(struct device *dev, dma_addr_t addr,
				size_t size, enum dma_data_direction dir,
				unsigned long attrs)
{
	dma_unmap_phys(dev, addr, size, dir, attrs);
}
EXPORT_SYMBOL_GPL(rust_virtio_dma_unmap_phys);

dma_addr_t rust_virtio_dma_map_page(struct device *dev, struct page *page,
				    size_t offset, size_t size,
				    enum dma_data_direction dir,
				    unsigned long attrs)
{
	return dma_map_page_attrs(dev, page, offset, size, dir, attrs);
}
EXPORT_SYMBOL_GPL(rust_virtio_dma_map_page);

void rust_virtio_dma_unmap_page(struct device *dev, dma_addr_t addr,
				size_t size, enum dma_data_direction dir,
				unsigned long attrs)
{
	dma_unmap_page_attrs(dev, addr, size, dir, attrs);
}
EXPORT_SYMBOL_GPL(rust_virtio_dma_unmap_page);

int rust_virtio_dma_mapping_error(struct device *dev, dma_addr_t addr)
{
	return dma_mapping_error(dev, addr);
}
EXPORT_SYMBOL_GPL(rust_virtio_dma_mapping_error);

bool rust_virtio_dma_need_sync(struct device *dev, dma_addr_t addr)
{
	return dma_need_sync(dev, addr);
}
EXPORT_SYMBOL_GPL(rust_virtio_dma_need_sync);

void rust_virtio_dma_sync_for_cpu(struct device *dev, dma_addr_t addr,
				  size_t size, enum dma_data_direction dir)
{
	dma_sync_single_for_cpu(dev, addr, size, dir);
}
EXPORT_SYMBOL_GPL(rust_virtio_dma_sync_for_cpu);

void rust_virtio_dma_sync_for_device(struct device *dev, dma_addr_t addr,
				     size_t size, enum dma_data_direction dir)
{
	dma_sync_single_for_device(dev, addr, size, dir);
}
EXPORT_SYMBOL_GPL(rust_virtio_dma_sync_for_device);
