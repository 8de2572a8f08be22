// SPDX-License-Identifier: GPL-2.0

#include <linux/cpumask.h>
#include <linux/io.h>
#include <linux/mm.h>

#include "helpers.h"

/*
 * The memory at a guest-physical address, NULL if any page of the range is no
 * memory: a device model must not crash on the address that a driver gives it.
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

void rust_virtio_fake_irq_work_init(struct irq_work *work,
				    void (*func)(struct irq_work *work))
{
	*work = IRQ_WORK_INIT_HARD(func);
}

unsigned int rust_virtio_fake_cpumask_first(const struct cpumask *mask)
{
	return cpumask_first(mask);
}
