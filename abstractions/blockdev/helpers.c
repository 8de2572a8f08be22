// SPDX-License-Identifier: GPL-2.0

#include "helpers.h"

#include <linux/mm.h>
#include <linux/part_stat.h>
#include <linux/sched/mm.h>
#include <xen/xen.h>

unsigned int rust_helper_memalloc_noio_save(void)
{
	return memalloc_noio_save();
}

void rust_helper_memalloc_noio_restore(unsigned int flags)
{
	memalloc_noio_restore(flags);
}

bool rust_helper_blk_should_fake_timeout(struct request_queue *q)
{
	return blk_should_fake_timeout(q);
}

unsigned long rust_helper_ended_ios(struct request_queue *q)
{
	struct gendisk *disk = READ_ONCE(q->disk);

	if (!disk)
		return 0;
	/* The sum has no flushes, and a sequence with a flush once it has ended as a whole. */
	return part_stat_read_accum(disk->part0, ios) +
	       part_stat_read(disk->part0, ios[STAT_FLUSH]);
}

unsigned int rust_helper_blk_mq_freeze_queue(struct request_queue *q)
{
	return blk_mq_freeze_queue(q);
}

void rust_helper_blk_mq_unfreeze_queue(struct request_queue *q, unsigned int memflags)
{
	blk_mq_unfreeze_queue(q, memflags);
}

struct queue_limits rust_helper_queue_limits_start_update(struct request_queue *q)
{
	return queue_limits_start_update(q);
}

void rust_helper_queue_limits_cancel_update(struct request_queue *q)
{
	queue_limits_cancel_update(q);
}

sector_t rust_helper_get_capacity(struct gendisk *disk)
{
	return get_capacity(disk);
}

/* Takes a reference that keeps the disk from being deleted. Fails if it was deleted. */
bool rust_helper_rust_queue_tryget(struct request_queue *q)
{
	return percpu_ref_tryget(&q->q_usage_counter);
}

void rust_helper_rust_queue_put(struct request_queue *q)
{
	percpu_ref_put(&q->q_usage_counter);
}

struct gendisk *rust_helper_dev_to_disk(struct device *dev)
{
	return dev_to_disk(dev);
}

/* As biovec_phys_mergeable(), which is private to the block layer. */
bool rust_helper_bvec_mergeable(const struct bio_vec *a, const struct bio_vec *b,
				unsigned long boundary)
{
	phys_addr_t first = bvec_phys(a), second = bvec_phys(b);

	if (first + a->bv_len != second || xen_domain())
		return false;
	if (!zone_device_pages_have_same_pgmap(a->bv_page, b->bv_page))
		return false;
	return (first | boundary) == ((second + b->bv_len - 1) | boundary);
}

void rust_helper_ida_init(struct ida *ida)
{
	ida_init(ida);
}

bool rust_helper_guest_mem_encrypt(void)
{
	return cc_platform_has(CC_ATTR_GUEST_MEM_ENCRYPT);
}
