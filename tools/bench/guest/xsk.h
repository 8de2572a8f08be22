/* SPDX-License-Identifier: GPL-2.0 */
/*
 * An AF_XDP socket without copies, on queue 0 of an interface.
 */
#ifndef BENCH_XSK_H
#define BENCH_XSK_H

#include <linux/if_xdp.h>
#include <sys/socket.h>

#include "program.h"

#define XSK_ENTRIES	256
#define XSK_CHUNKS	512
#define XSK_CHUNK	4096

/* A ring that is shared with the kernel. */
struct xsk_ring {
	uint32_t *producer, *consumer, *flags;
	void *entries;
};

struct xsk {
	int fd;
	char *memory;
	struct xsk_ring fill, completion, rx, tx;
	uint64_t free[XSK_CHUNKS];
	unsigned int spare;
};

static struct xsk_ring xsk_map(int fd, uint64_t place, const struct xdp_ring_offset *offset,
			       size_t size)
{
	char *at = mmap(NULL, offset->desc + XSK_ENTRIES * size, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_POPULATE, fd, place);

	if (at == MAP_FAILED)
		die("ring of the socket");
	return (struct xsk_ring) {
		.producer = (void *)(at + offset->producer),
		.consumer = (void *)(at + offset->consumer),
		.flags = (void *)(at + offset->flags), .entries = at + offset->desc,
	};
}

static void xsk_option(int fd, int option, const void *value, size_t size)
{
	if (setsockopt(fd, SOL_XDP, option, value, size))
		die("option of the socket");
}

/* Binds the socket; with `program`, packets come in. */
static void xsk_open(struct xsk *xsk, const char *nic, const struct program *program)
{
	struct xdp_umem_reg memory = { .len = XSK_CHUNKS * XSK_CHUNK, .chunk_size = XSK_CHUNK };
	struct sockaddr_xdp place = {
		.sxdp_family = AF_XDP, .sxdp_flags = XDP_ZEROCOPY | XDP_USE_NEED_WAKEUP,
		.sxdp_ifindex = if_nametoindex(nic),
	};
	struct xdp_mmap_offsets offsets;
	socklen_t length = sizeof(offsets);
	int entries = XSK_ENTRIES;
	uint32_t key = 0;

	xsk->fd = socket(AF_XDP, SOCK_RAW, 0);
	xsk->memory = mmap(NULL, memory.len, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (xsk->fd < 0 || xsk->memory == MAP_FAILED)
		die("socket");
	memory.addr = (uintptr_t)xsk->memory;
	xsk_option(xsk->fd, XDP_UMEM_REG, &memory, sizeof(memory));
	xsk_option(xsk->fd, XDP_UMEM_FILL_RING, &entries, sizeof(entries));
	xsk_option(xsk->fd, XDP_UMEM_COMPLETION_RING, &entries, sizeof(entries));
	xsk_option(xsk->fd, XDP_RX_RING, &entries, sizeof(entries));
	xsk_option(xsk->fd, XDP_TX_RING, &entries, sizeof(entries));
	if (getsockopt(xsk->fd, SOL_XDP, XDP_MMAP_OFFSETS, &offsets, &length))
		die("offsets");
	xsk->rx = xsk_map(xsk->fd, XDP_PGOFF_RX_RING, &offsets.rx, sizeof(struct xdp_desc));
	xsk->tx = xsk_map(xsk->fd, XDP_PGOFF_TX_RING, &offsets.tx, sizeof(struct xdp_desc));
	xsk->fill = xsk_map(xsk->fd, XDP_UMEM_PGOFF_FILL_RING, &offsets.fr, 8);
	xsk->completion = xsk_map(xsk->fd, XDP_UMEM_PGOFF_COMPLETION_RING, &offsets.cr, 8);
	for (xsk->spare = 0; xsk->spare < XSK_CHUNKS; xsk->spare++)
		xsk->free[xsk->spare] = (uint64_t)xsk->spare * XSK_CHUNK;
	if (bind(xsk->fd, (void *)&place, sizeof(place)))
		die("the socket is not bound");
	if (program) {
		union bpf_attr attr = {
			.map_fd = program->sockets, .key = (uintptr_t)&key,
			.value = (uintptr_t)&xsk->fd,
		};

		if (bpf(BPF_MAP_UPDATE_ELEM, &attr))
			die("map of sockets");
	}
}

/* Gives the kernel all spare memory to receive to that the ring has room for. */
static void xsk_fill(struct xsk *xsk)
{
	uint32_t at = *xsk->fill.producer;
	uint32_t end = __atomic_load_n(xsk->fill.consumer, __ATOMIC_ACQUIRE) + XSK_ENTRIES;
	uint64_t *entries = xsk->fill.entries;

	while (xsk->spare && at != end)
		entries[at++ % XSK_ENTRIES] = xsk->free[--xsk->spare];
	__atomic_store_n(xsk->fill.producer, at, __ATOMIC_RELEASE);
	if (*xsk->fill.flags & XDP_RING_NEED_WAKEUP)
		recvfrom(xsk->fd, NULL, 0, MSG_DONTWAIT, NULL, NULL);
}

/* Takes the packets that came, and returns how many there were. */
static unsigned int xsk_receive(struct xsk *xsk)
{
	uint32_t at = *xsk->rx.consumer, end = __atomic_load_n(xsk->rx.producer, __ATOMIC_ACQUIRE);
	const struct xdp_desc *entries = xsk->rx.entries;
	unsigned int count = end - at;

	for (; at != end; at++)
		xsk->free[xsk->spare++] = entries[at % XSK_ENTRIES].addr & -(uint64_t)XSK_CHUNK;
	__atomic_store_n(xsk->rx.consumer, at, __ATOMIC_RELEASE);
	return count;
}

/* Sends `count` copies of a frame. */
static void xsk_send(struct xsk *xsk, unsigned int count, const void *frame, size_t length)
{
	uint32_t at = *xsk->tx.producer;
	struct xdp_desc *entries = xsk->tx.entries;

	while (count--) {
		uint64_t place = xsk->free[--xsk->spare];

		memcpy(xsk->memory + place, frame, length);
		entries[at++ % XSK_ENTRIES] = (struct xdp_desc) { .addr = place, .len = length };
	}
	__atomic_store_n(xsk->tx.producer, at, __ATOMIC_RELEASE);
	if (*xsk->tx.flags & XDP_RING_NEED_WAKEUP)
		sendto(xsk->fd, NULL, 0, MSG_DONTWAIT, NULL, 0);
}

/* Takes the memory of sent packets back, and returns how many there were. */
static unsigned int xsk_complete(struct xsk *xsk)
{
	uint32_t at = *xsk->completion.consumer;
	uint32_t end = __atomic_load_n(xsk->completion.producer, __ATOMIC_ACQUIRE);
	const uint64_t *entries = xsk->completion.entries;
	unsigned int count = end - at;

	for (; at != end; at++)
		xsk->free[xsk->spare++] = entries[at % XSK_ENTRIES];
	__atomic_store_n(xsk->completion.consumer, at, __ATOMIC_RELEASE);
	return count;
}

#endif
