/* SPDX-License-Identifier: GPL-2.0 */
/* Inline functions and macros of the kernel that bindgen cannot call. */
#ifndef RUST_VIRTIO_FAKE_HELPERS_H
#define RUST_VIRTIO_FAKE_HELPERS_H

#include <linux/cpumask_types.h>
#include <linux/irq_work.h>
#include <linux/types.h>

void *rust_virtio_fake_memory(u64 phys, u64 len);
void rust_virtio_fake_irq_work_init(struct irq_work *work,
				    void (*func)(struct irq_work *work));
unsigned int rust_virtio_fake_cpumask_first(const struct cpumask *mask);

#endif
