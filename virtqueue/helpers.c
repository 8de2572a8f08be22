// SPDX-License-Identifier: GPL-2.0

#include <linux/device.h>
#include <linux/export.h>
#include <linux/mm.h>

#include "helpers.h"

/* As bitcode these are part of the modules that use them. */
#ifdef RUST_VIRTIO_INLINE_HELPERS
#undef EXPORT_SYMBOL_GPL
#define EXPORT_SYMBOL_GPL(symbol)
#endif

struct page *rust_virtio_virt_to_page(const void *addr)
{
	return virt_to_page(addr);
}
EXPORT_SYMBOL_GPL(rust_virtio_virt_to_page);

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
