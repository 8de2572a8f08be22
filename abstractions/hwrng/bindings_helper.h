/* SPDX-License-Identifier: GPL-2.0 */
/* The parts of the kernel that the crate `hwrng` needs and kernel::bindings lacks. */

#include <linux/hrtimer_types.h>

#include <linux/hw_random.h>
#include <linux/workqueue.h>
