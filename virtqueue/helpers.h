/* SPDX-License-Identifier: GPL-2.0 */
/* Inline functions and macros of the kernel that bindgen cannot call. */
#ifndef RUST_VIRTIO_HELPERS_H
#define RUST_VIRTIO_HELPERS_H

struct device;
struct page;

struct page *rust_virtio_virt_to_page(const void *addr);
void rust_virtio_device_lock(struct device *dev);
void rust_virtio_device_unlock(struct device *dev);

#endif
