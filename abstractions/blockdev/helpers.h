/* SPDX-License-Identifier: GPL-2.0 */
/* Inline functions and macros of the kernel that bindgen cannot call. */
#ifndef RUST_BLOCK_HELPERS_H
#define RUST_BLOCK_HELPERS_H

#include <linux/blk-mq.h>
#include <linux/blkdev.h>
#include <linux/bvec.h>
#include <linux/cc_platform.h>
#include <linux/idr.h>

/*
 * Linked as bitcode into Rust code, these are inlined by force, as those of the
 * kernel crate: C and Rust are compiled with different flags, although these do
 * not matter here, so LLVM would not inline them.
 */
#ifdef RUST_VIRTIO_INLINE_HELPERS
#pragma clang attribute push(__attribute__((always_inline)), apply_to = function)
#endif

unsigned int rust_helper_memalloc_noio_save(void);
void rust_helper_memalloc_noio_restore(unsigned int flags);
bool rust_helper_blk_should_fake_timeout(struct request_queue *q);
unsigned long rust_helper_ended_ios(struct request_queue *q);
unsigned int rust_helper_blk_mq_freeze_queue(struct request_queue *q);
void rust_helper_blk_mq_unfreeze_queue(struct request_queue *q, unsigned int memflags);
struct queue_limits rust_helper_queue_limits_start_update(struct request_queue *q);
void rust_helper_queue_limits_cancel_update(struct request_queue *q);
sector_t rust_helper_get_capacity(struct gendisk *disk);
bool rust_helper_rust_queue_tryget(struct request_queue *q);
void rust_helper_rust_queue_put(struct request_queue *q);
struct gendisk *rust_helper_dev_to_disk(struct device *dev);
bool rust_helper_bvec_mergeable(const struct bio_vec *a, const struct bio_vec *b,
				unsigned long boundary);
void rust_helper_ida_init(struct ida *ida);
bool rust_helper_guest_mem_encrypt(void);

#ifdef RUST_VIRTIO_INLINE_HELPERS
#pragma clang attribute pop
#endif

#endif
