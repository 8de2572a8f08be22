// SPDX-License-Identifier: GPL-2.0

#include <kunit/test-bug.h>
#include <kunit/test.h>
#include <linux/cpumask.h>
#include <linux/dma-mapping.h>
#include <linux/gfp.h>
#include <linux/io.h>
#include <linux/kmsg_dump.h>
#include <linux/mm.h>
#include <linux/scatterlist.h>
#include <linux/sched.h>
#include <linux/string.h>
#include <linux/virtio.h>
#include <linux/workqueue.h>

#include "helpers.h"

/*
 * Returns the memory at a guest-physical address, or NULL if a page of the range
 * is no memory: the device must not crash if a driver gives it a wrong address.
 */
void *rust_virtio_fake_memory(u64 phys, u64 len)
{
	u64 last = phys + len - 1;
	u64 pfn;

	if (!len || last < phys)
		return NULL;
	for (pfn = PHYS_PFN(phys); pfn <= PHYS_PFN(last); pfn++)
		if (!pfn_valid(pfn) || PageHighMem(pfn_to_page(pfn)))
			return NULL;
	return phys_to_virt(phys);
}

/*
 * Not IRQ_WORK_INIT_HARD(): interrupt handlers take ordinary spinlocks. With
 * PREEMPT_RT, handlers run in threads, and so does this work. Lockdep checks that
 * rule on every kernel.
 */
void rust_virtio_fake_irq_work_init(struct irq_work *work,
				    void (*func)(struct irq_work *work))
{
	*work = IRQ_WORK_INIT(func);
}

unsigned int rust_virtio_fake_cpumask_first(const struct cpumask *mask)
{
	return cpumask_first(mask);
}

u64 rust_virtio_fake_page_phys(const struct page *page)
{
	return page_to_phys(page);
}

/* Lets the DMA API map all of memory for a device. */
void rust_virtio_fake_dma(struct device *dev)
{
	if (IS_ENABLED(CONFIG_HAS_DMA))
		dma_coerce_mask_and_coherent(dev, DMA_BIT_MASK(64));
}

/*
 * Waits until work has run. A CPU that cannot interrupt itself would run it with
 * the next tick of its timer.
 */
void rust_virtio_fake_irq_work_sync(struct irq_work *work)
{
	if (!arch_irq_work_has_interrupt()) {
		local_bh_disable();
		local_irq_disable();
		irq_work_run();
		local_irq_enable();
		/* Softirqs that the work has raised run here. */
		local_bh_enable();
	}
	irq_work_sync(work);
}

u64 rust_virtio_fake_phys(const void *at)
{
	return virt_to_phys((void *)at);
}

/* Returns memory of the kernel's image, which has its own mapping. */
void *rust_virtio_fake_image(void)
{
	return &system_dfl_wq;
}

void *rust_virtio_fake_alloc(size_t size)
{
	return alloc_pages_exact(size, GFP_KERNEL | __GFP_ZERO | __GFP_NOWARN);
}

void rust_virtio_fake_free_area(void *area, size_t size)
{
	free_pages_exact(area, size);
}

void rust_virtio_fake_sg_set(struct scatterlist *sg, const void *at,
			     unsigned int len)
{
	sg_set_buf(sg, at, len);
}

void rust_virtio_fake_sg_dma(struct scatterlist *sg, u64 addr)
{
	sg_dma_address(sg) = addr;
	sg_dma_len(sg) = sg->length;
}

/* Marks the running test as skipped, unless it fails after this. */
void rust_virtio_fake_skip(const char *why)
{
	struct kunit *test = kunit_get_current_test();

	if (test)
		kunit_mark_skipped(test, "%s", why);
}

/*
 * Returns the number of lines with `part` in the kernel log since the last call.
 * Tests run one at a time.
 */
unsigned int rust_virtio_fake_messages(const char *part)
{
	static struct kmsg_dump_iter iter;
	static char line[512];
	unsigned int found = 0;
	size_t len;

	if (!iter.next_seq)
		kmsg_dump_rewind(&iter);
	while (kmsg_dump_get_line(&iter, false, line, sizeof(line), &len))
		if (strnstr(line, part, len))
			found++;
	return found;
}

/* Whether allocations of this thread may do I/O. */
bool rust_virtio_fake_may_do_io(void)
{
	return !(current->flags & PF_MEMALLOC_NOIO);
}

/* Calls the shutdown of the bus, as the device core does when the machine goes down. */
void rust_virtio_fake_shutdown(struct virtio_device *vdev)
{
	device_lock(&vdev->dev);
	vdev->dev.bus->shutdown(&vdev->dev);
	device_unlock(&vdev->dev);
}

/* Locks the parent of a device, as its bus does while it resets the device. */
void rust_virtio_fake_lock(struct device *parent, bool lock)
{
	if (lock)
		device_lock(parent);
	else
		device_unlock(parent);
}

/* Moves this thread to one CPU. */
int rust_virtio_fake_move_to(unsigned int cpu)
{
	if (cpu >= nr_cpu_ids || !cpu_online(cpu))
		return -EINVAL;
	return set_cpus_allowed_ptr(current, cpumask_of(cpu));
}

void rust_virtio_fake_move_anywhere(void)
{
	set_cpus_allowed_ptr(current, cpu_possible_mask);
}
