/* SPDX-License-Identifier: GPL-2.0 */
/* Inline functions and macros of the kernel that bindgen cannot call. */
#ifndef RUST_VIRTIO_HELPERS_H
#define RUST_VIRTIO_HELPERS_H

struct device;
struct page;

/*
 * Linked as bitcode into Rust code these must be inlined by force, as those of
 * the kernel crate are: the flags of C and Rust differ where it does not
 * matter, and LLVM would leave each a call.
 */
#ifdef RUST_VIRTIO_INLINE_HELPERS
#pragma clang attribute push(__attribute__((always_inline)), apply_to = function)
#endif

struct page *rust_virtio_virt_to_page(const void *addr);
void rust_virtio_device_lock(struct device *dev);
void rust_virtio_device_unlock(struct device *dev);

#ifdef RUST_VIRTIO_INLINE_HELPERS
#pragma clang attribute pop
#endif

#endif
