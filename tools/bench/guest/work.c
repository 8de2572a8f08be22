// SPDX-License-Identifier: GPL-2.0
/*
 * Does an exact number of operations between two marks (mark.h), pinned to one processor.
 *
 *	work ID COUNT read|write DISK DEPTH	4 KiB at random places of a disk, without cache
 *	work ID COUNT echo INTERFACE BURST	ICMP echoes; BURST are out at a time
 *	work ID COUNT send INTERFACE BURST	UDP datagrams; a rest after every BURST of them
 *	work ID COUNT feed INTERFACE BURST	UDP datagrams between interfaces on one wire
 *
 * ID 0 does the operations without marks. The first COUNT operations of a disk are always the same.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/fs.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include "ops.h"

#define BLOCK		4096
#define DEPTH_MAX	256
/* The gateway of QEMU's user network, which answers by itself. */
#define GATEWAY		"10.0.2.2"
/* UDP's discard port. */
#define PORT		9
#define DATAGRAM	18
/* Longer than any device waits before it sends: see `delay` in tools/bench/variants.py. */
#define REST_MS		20

static uint64_t place(uint64_t blocks)
{
	static uint64_t state = 88172645463325252ull;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state % blocks * BLOCK;
}

/* One request at a time. */
static void disk_single(int fd, uint64_t blocks, char *buffer, unsigned long count, int write)
{
	enter();
	while (count--) {
		uint64_t at = place(blocks);
		ssize_t done = write ? pwrite(fd, buffer, BLOCK, at) : pread(fd, buffer, BLOCK, at);

		if (done != BLOCK)
			die("disk");
		operation();
	}
	leave();
}

/* `depth` requests at a time: as many are sent as have come back. */
static void disk_deep(int fd, uint64_t blocks, char *buffer, unsigned long count, int write,
		      unsigned int depth)
{
	static struct iocb cbs[DEPTH_MAX], *list[DEPTH_MAX];
	static struct io_event events[DEPTH_MAX];
	unsigned long left = count, flying = 0;
	aio_context_t context = 0;
	unsigned int ready = depth, back = 0, i;

	if (syscall(SYS_io_setup, depth, &context))
		die("io_setup");
	for (i = 0; i < depth; i++)
		list[i] = &cbs[i];
	enter();
	while (left || flying) {
		unsigned int send = ready < left ? ready : left;
		long got;

		for (i = 0; i < send; i++)
			*list[i] = (struct iocb) {
				.aio_lio_opcode = write ? IOCB_CMD_PWRITE : IOCB_CMD_PREAD,
				.aio_fildes = fd,
				.aio_buf = (uintptr_t)buffer + (list[i] - cbs) * BLOCK,
				.aio_nbytes = BLOCK,
				.aio_offset = place(blocks),
				.aio_data = list[i] - cbs,
			};
		if (send && syscall(SYS_io_submit, context, (long)send, list) != send)
			die("io_submit");
		left -= send;
		flying += send;
		got = syscall(SYS_io_getevents, context, 1L, (long)flying, events, NULL);
		if (got < 1)
			die("io_getevents");
		for (i = 0; i < got; i++) {
			if (events[i].res != BLOCK) {
				errno = -events[i].res;
				die("disk");
			}
			list[i] = &cbs[events[i].data];
		}
		flying -= got;
		ready = got;
		/* Of as many requests as are under way at a time. */
		back += got;
		if (back >= depth) {
			back -= depth;
			operation();
		}
	}
	leave();
	syscall(SYS_io_destroy, context);
}

static void disk(const char *name, unsigned long count, unsigned int depth, int write)
{
	int fd = open(name, O_RDWR | O_DIRECT);
	uint64_t size;
	void *buffer;

	if (fd < 0 || ioctl(fd, BLKGETSIZE64, &size) ||
	    posix_memalign(&buffer, BLOCK, depth * BLOCK))
		die(name);
	memset(buffer, 0x5a, depth * BLOCK);
	if (depth == 1)
		disk_single(fd, size / BLOCK, buffer, count, write);
	else
		disk_deep(fd, size / BLOCK, buffer, count, write, depth);
	close(fd);
}

static int socket_on(const char *interface, int type, int protocol)
{
	int fd = socket(AF_INET, type, protocol);
	struct timeval limit = { .tv_sec = 5 };

	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, interface, strlen(interface) + 1) ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)))
		die(interface);
	return fd;
}

static uint16_t checksum(const void *data, size_t length)
{
	const uint16_t *words = data;
	uint32_t sum = 0;

	for (; length; length -= 2)
		sum += *words++;
	sum = (sum & 0xffff) + (sum >> 16);
	return ~(sum + (sum >> 16));
}

/* Waits for the answer to an echo of this process: late ones to another may still be about. */
static void take_echo(int fd, uint16_t id)
{
	struct { struct iphdr ip; struct icmphdr icmp; char data[2048]; } reply;

	do {
		if (recv(fd, &reply, sizeof(reply), 0) < 0)
			die("unanswered");
	} while (reply.icmp.type != ICMP_ECHOREPLY || reply.icmp.un.echo.id != id);
}

static void echo(const char *interface, unsigned long count, unsigned int burst)
{
	struct { struct icmphdr head; char data[56]; } packet = {
		.head = { .type = ICMP_ECHO, .un.echo.id = getpid() },
	};
	struct sockaddr_in to = { .sin_family = AF_INET };
	int fd = socket_on(interface, SOCK_RAW, IPPROTO_ICMP);
	unsigned int i;

	inet_aton(GATEWAY, &to.sin_addr);
	packet.head.checksum = checksum(&packet, sizeof(packet));
	enter();
	for (; count >= burst; count -= burst) {
		for (i = 0; i < burst; i++)
			if (sendto(fd, &packet, sizeof(packet), 0, (void *)&to, sizeof(to)) < 0)
				die("send");
		for (i = 0; i < burst; i++)
			take_echo(fd, packet.head.un.echo.id);
		operation();
	}
	leave();
}

static void send_udp(const char *interface, unsigned long count, unsigned int burst)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	int fd = socket_on(interface, SOCK_DGRAM, 0);
	char data[DATAGRAM] = "";
	unsigned int i;

	inet_aton(GATEWAY, &to.sin_addr);
	if (connect(fd, (void *)&to, sizeof(to)))
		die("connect");
	enter();
	for (; count >= burst; count -= burst) {
		for (i = 0; i < burst; i++)
			if (send(fd, data, sizeof(data), 0) < 0)
				die("send");
		rest_ms(REST_MS);
		operation();
	}
	leave();
}

/* A UDP datagram in a broadcast frame, to the address of the interface under test (phases.sh). */
static size_t make_frame(unsigned char *frame)
{
	static const unsigned char head[] = {
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x52, 0x54, 0, 0, 0xff, 0xff, 0x08, 0x00,
		0x45, 0, 0, 20 + 8 + DATAGRAM, 0, 0, 0, 0, 64, IPPROTO_UDP, 0, 0,
		10, 0, 2, 9, 10, 0, 2, 15,
		0, PORT, 0, PORT, 0, 8 + DATAGRAM, 0, 0,
	};
	uint16_t sum = checksum(head + ETH_HLEN, 20);

	memset(frame, 0, sizeof(head) + DATAGRAM);
	memcpy(frame, head, sizeof(head));
	memcpy(frame + ETH_HLEN + 10, &sum, sizeof(sum));
	return sizeof(head) + DATAGRAM;
}

static void feed(const char *interface, unsigned long count, unsigned int burst)
{
	struct sockaddr_in here = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_halen = ETH_ALEN };
	int out = socket(AF_PACKET, SOCK_RAW, 0), in = socket(AF_INET, SOCK_DGRAM, 0);
	struct timeval limit = { .tv_sec = 5 };
	unsigned char frame[ETH_FRAME_LEN], data[ETH_FRAME_LEN];
	size_t length = make_frame(frame);
	unsigned int i;

	memcpy(to.sll_addr, frame, ETH_ALEN);
	to.sll_ifindex = if_nametoindex(interface);
	if (out < 0 || in < 0 || !to.sll_ifindex ||
	    setsockopt(in, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) ||
	    bind(in, (void *)&here, sizeof(here)))
		die(interface);
	enter();
	for (; count >= burst; count -= burst) {
		for (i = 0; i < burst; i++)
			if (sendto(out, frame, length, 0, (void *)&to, sizeof(to)) < 0)
				die("send");
		for (i = 0; i < burst; i++)
			if (recv(in, data, sizeof(data), 0) != DATAGRAM)
				die("no datagram");
		operation();
	}
	leave();
}

int main(int argc, char **argv)
{
	unsigned long id, count;
	unsigned int many;

	if (argc != 6) {
		fprintf(stderr, "usage: work ID COUNT read|write|echo|send|feed DEVICE DEPTH\n");
		return 2;
	}
	id = strtoul(argv[1], NULL, 0);
	count = strtoul(argv[2], NULL, 0);
	many = strtoul(argv[5], NULL, 0);
	if (!many || many > DEPTH_MAX || count % many) {
		fprintf(stderr, "work: %lu operations cannot be done %u at a time\n", count, many);
		return 2;
	}
	ops_prepare(id);
	if (!strcmp(argv[3], "read") || !strcmp(argv[3], "write"))
		disk(argv[4], count, many, !strcmp(argv[3], "write"));
	else if (!strcmp(argv[3], "echo"))
		echo(argv[4], count, many);
	else if (!strcmp(argv[3], "send"))
		send_udp(argv[4], count, many);
	else if (!strcmp(argv[3], "feed"))
		feed(argv[4], count, many);
	else
		return 2;
	return 0;
}
