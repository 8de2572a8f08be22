/* SPDX-License-Identifier: GPL-2.0 */
/* Inline functions and macros of the kernel that bindgen cannot call. */
#ifndef RUST_VIRTIO_HELPERS_H
#define RUST_VIRTIO_HELPERS_H

struct page;

struct page *rust_virtio_virt_to_page(const void *addr);

#endif
