/* SPDX-License-Identifier: GPL-2.0 */
#ifndef RUST_VIRTIO_FAKE_WITH_NIC_H
#define RUST_VIRTIO_FAKE_WITH_NIC_H

#include <linux/netdevice.h>
#include <linux/rtnetlink.h>

/* Runs an operation of the interface, if it is still registered. */
#define WITH_NIC(dev, expr)					\
({								\
	int __ret = -ENODEV;					\
								\
	rtnl_lock();						\
	if ((dev)->reg_state == NETREG_REGISTERED)		\
		__ret = (expr);					\
	rtnl_unlock();						\
	__ret;							\
})

#endif
