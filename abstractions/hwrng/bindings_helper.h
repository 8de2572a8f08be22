/* SPDX-License-Identifier: GPL-2.0 */
/* What the `hwrng` crate needs of the kernel and kernel::bindings lacks. */

#include <linux/hrtimer_types.h>

#include <linux/hw_random.h>
#include <linux/workqueue.h>
