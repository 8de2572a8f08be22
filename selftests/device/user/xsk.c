// SPDX-License-Identifier: GPL-2.0
/*
 * AF_XDP sockets of the tests. Their memory is that of the thread of the test,
 * which gets an address space.
 */

#include <kunit/test.h>
#include <linux/delay.h>
#include <linux/if_xdp.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/net.h>
#include <linux/netdevice.h>
#include <linux/rtnetlink.h>
#include <linux/slab.h>
#include <linux/socket.h>
#include <net/xdp_sock.h>
#include <net/xdp_sock_drv.h>

#include "xsk.h"

#define CHUNKS 128
#define ENTRIES 64

/* As in net/xdp/xsk_queue.h, which is private. User space sees the first one. */
struct ring {
	u32 producer ____cacheline_aligned_in_smp;
	u32 pad1 ____cacheline_aligned_in_smp;
	u32 consumer ____cacheline_aligned_in_smp;
	u32 pad2 ____cacheline_aligned_in_smp;
	u32 flags;
	u32 pad3 ____cacheline_aligned_in_smp;
	union {
		DECLARE_FLEX_ARRAY(struct xdp_desc, packets);
		DECLARE_FLEX_ARRAY(u64, addrs);
	} ____cacheline_aligned_in_smp;
};

struct queue {
	u32 ring_mask;
	u32 nentries;
	u32 cached_prod;
	u32 cached_cons;
	struct ring *ring;
};

struct rust_virtio_fake_xsk {
	struct socket *sock;
	struct net_device *dev;
	u32 queue;
	struct ring *rings[4];
};

/* As in net/xdp/xsk.h, which is private. */
static struct xdp_sock *socket_of(const struct rust_virtio_fake_xsk *xsk)
{
	return (struct xdp_sock *)xsk->sock->sk;
}

static bool is_of_packets(enum rust_virtio_fake_xsk_ring ring)
{
	return ring == RUST_VIRTIO_FAKE_XSK_RX || ring == RUST_VIRTIO_FAKE_XSK_TX;
}

static int set(struct socket *sock, int name, void *value, u32 len)
{
	return sock->ops->setsockopt(sock, SOL_XDP, name, KERNEL_SOCKPTR(value), len);
}

static struct ring *ring_of(struct xsk_queue *queue)
{
	return ((struct queue *)queue)->ring;
}

static int set_up(struct rust_virtio_fake_xsk *xsk, const struct rust_virtio_fake_xsk_spec *spec)
{
	struct xdp_umem_reg memory = {
		.len = CHUNKS * spec->chunk_size,
		.chunk_size = spec->chunk_size,
		.headroom = spec->headroom,
		.flags = spec->unaligned ? XDP_UMEM_UNALIGNED_CHUNK_FLAG : 0,
	};
	struct sockaddr_xdp addr = {
		.sxdp_family = AF_XDP,
		.sxdp_flags = spec->flags,
		.sxdp_ifindex = xsk->dev->ifindex,
		.sxdp_queue_id = spec->queue,
	};
	struct xdp_sock *xs = socket_of(xsk);
	int entries = ENTRIES, ret;

	ret = kunit_attach_mm();
	if (ret)
		return ret;
	memory.addr = vm_mmap(NULL, 0, memory.len, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, 0);
	if (IS_ERR_VALUE((unsigned long)memory.addr))
		return memory.addr;
	ret = set(xsk->sock, XDP_UMEM_REG, &memory, sizeof(memory)) ?:
	      set(xsk->sock, XDP_UMEM_FILL_RING, &entries, sizeof(entries)) ?:
	      set(xsk->sock, XDP_UMEM_COMPLETION_RING, &entries, sizeof(entries)) ?:
	      set(xsk->sock, XDP_RX_RING, &entries, sizeof(entries)) ?:
	      set(xsk->sock, XDP_TX_RING, &entries, sizeof(entries));
	if (ret)
		return ret;
	xsk->rings[RUST_VIRTIO_FAKE_XSK_RX] = ring_of(xs->rx);
	xsk->rings[RUST_VIRTIO_FAKE_XSK_TX] = ring_of(xs->tx);
	xsk->rings[RUST_VIRTIO_FAKE_XSK_FILL] = ring_of(xs->fq_tmp);
	xsk->rings[RUST_VIRTIO_FAKE_XSK_COMPLETION] = ring_of(xs->cq_tmp);
	return xsk->sock->ops->bind(xsk->sock, (void *)&addr, sizeof(addr));
}

/* Returns a socket that uses a queue, or NULL. */
struct rust_virtio_fake_xsk *
rust_virtio_fake_xsk_new(struct net_device *dev, const struct rust_virtio_fake_xsk_spec *spec,
			 int *error)
{
	struct rust_virtio_fake_xsk *xsk = kzalloc(sizeof(*xsk), GFP_KERNEL);

	*error = -ENOMEM;
	if (!xsk)
		return NULL;
	xsk->dev = dev;
	xsk->queue = spec->queue;
	*error = sock_create_kern(dev_net(dev), AF_XDP, SOCK_RAW, 0, &xsk->sock);
	if (!*error) {
		*error = set_up(xsk, spec);
		if (!*error)
			return xsk;
		sock_release(xsk->sock);
	}
	kfree(xsk);
	return NULL;
}

/* Closes a socket. Returns whether the queue has no memory of a socket, after some time. */
bool rust_virtio_fake_xsk_close(struct rust_virtio_fake_xsk *xsk)
{
	bool bound = xsk->dev;

	sock_release(xsk->sock);
	for (int i = 0; bound && i < 1000; i++) {
		rtnl_lock();
		bound = xsk->dev->reg_state == NETREG_REGISTERED &&
			xsk_get_pool_from_qid(xsk->dev, xsk->queue);
		rtnl_unlock();
		if (bound)
			msleep(20);
	}
	kfree(xsk);
	return !bound;
}

/* The interface of the socket may go from here on. */
void rust_virtio_fake_xsk_leave(struct rust_virtio_fake_xsk *xsk)
{
	xsk->dev = NULL;
}

bool rust_virtio_fake_xsk_is_zero_copy(const struct rust_virtio_fake_xsk *xsk)
{
	return socket_of(xsk)->zc;
}

void *rust_virtio_fake_xsk_socket(const struct rust_virtio_fake_xsk *xsk)
{
	return socket_of(xsk);
}

/* Adds an entry to a ring, as user space does. False if the ring is full. */
bool rust_virtio_fake_xsk_push(struct rust_virtio_fake_xsk *xsk,
			       enum rust_virtio_fake_xsk_ring which, u64 addr, u32 len)
{
	struct ring *ring = xsk->rings[which];
	u32 at = READ_ONCE(ring->producer);

	/* Pairs with the release of the kernel. */
	if (at - smp_load_acquire(&ring->consumer) >= ENTRIES)
		return false;
	if (is_of_packets(which))
		ring->packets[at % ENTRIES] = (struct xdp_desc) { .addr = addr, .len = len };
	else
		ring->addrs[at % ENTRIES] = addr;
	/* Pairs with the acquire of the kernel. */
	smp_store_release(&ring->producer, at + 1);
	return true;
}

/* Says that a ring has many more entries than it has room for. */
void rust_virtio_fake_xsk_jump(struct rust_virtio_fake_xsk *xsk,
			       enum rust_virtio_fake_xsk_ring which, u32 entries)
{
	struct ring *ring = xsk->rings[which];

	/* Pairs with the acquire of the kernel. */
	smp_store_release(&ring->producer, READ_ONCE(ring->producer) + entries);
}

/* Takes an entry from a ring, as user space does. False if the ring is empty. */
bool rust_virtio_fake_xsk_pop(struct rust_virtio_fake_xsk *xsk,
			      enum rust_virtio_fake_xsk_ring which, u64 *addr, u32 *len)
{
	struct ring *ring = xsk->rings[which];
	u32 at = READ_ONCE(ring->consumer);

	/* Pairs with the release of the kernel. */
	if (at == smp_load_acquire(&ring->producer))
		return false;
	*len = 0;
	if (is_of_packets(which)) {
		*addr = ring->packets[at % ENTRIES].addr;
		*len = ring->packets[at % ENTRIES].len;
	} else {
		*addr = ring->addrs[at % ENTRIES];
	}
	/* Pairs with the acquire of the kernel. */
	smp_store_release(&ring->consumer, at + 1);
	return true;
}

u32 rust_virtio_fake_xsk_flags(struct rust_virtio_fake_xsk *xsk,
			       enum rust_virtio_fake_xsk_ring which)
{
	return READ_ONCE(xsk->rings[which]->flags);
}

/* Returns memory of the socket, or NULL if the range is wrong. */
u8 *rust_virtio_fake_xsk_memory(struct rust_virtio_fake_xsk *xsk, u64 addr, u32 len)
{
	const struct xdp_umem *umem = socket_of(xsk)->umem;

	if (addr > umem->size || len > umem->size - addr)
		return NULL;
	return umem->addrs + addr;
}

/* Wakes a queue, as user space does by a call without data. */
int rust_virtio_fake_xsk_wake(struct rust_virtio_fake_xsk *xsk, bool rx)
{
	struct msghdr msg = { .msg_flags = MSG_DONTWAIT };

	if (rx)
		return xsk->sock->ops->recvmsg(xsk->sock, &msg, 0, MSG_DONTWAIT);
	return xsk->sock->ops->sendmsg(xsk->sock, &msg, 0);
}
