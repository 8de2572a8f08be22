/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Packets that come out of another card of the guest, in bursts: the kernel's pktgen hands each
 * burst to the card by one register write. The card is QEMU's e1000. QEMU has passed on the whole
 * burst before any other of its devices runs, so the NIC under test finds it in one piece.
 */
#ifndef BENCH_PKTGEN_H
#define BENCH_PKTGEN_H

#include <fcntl.h>
#include <stdarg.h>
#include <sys/wait.h>

#include "ops.h"

/* The first source port; UDP's discard port. */
#define PG_FROM		20000
#define PG_TO		9
/* An address that no card has: a packet that is sent back to it reaches no driver. */
#define PG_MAC		"52:54:00:00:ff:ff"

/* The packets of a burst, and the time between the beginnings of two bursts. */
struct pg_feed {
	const char *nic;
	const char *to, *mac;
	unsigned int burst, interval_ms, bytes, flows;
};

static int __attribute__((format(printf, 2, 3)))
pg_try(const char *file, const char *format, ...)
{
	char path[128], text[128];
	va_list list;
	int length, fd, done;

	snprintf(path, sizeof(path), "/proc/net/pktgen/%s", file);
	va_start(list, format);
	length = vsnprintf(text, sizeof(text), format, list);
	va_end(list);
	fd = open(path, O_WRONLY);
	if (fd < 0)
		return -1;
	done = write(fd, text, length) == length ? 0 : -1;
	close(fd);
	return done;
}

#define pg_set(file, ...) do {				\
	if (pg_try(file, __VA_ARGS__))			\
		die("pktgen: " #__VA_ARGS__);		\
} while (0)

static void pg_prepare(const struct pg_feed *feed)
{
	unsigned int tries = 100;

	pg_set("kpktgend_0", "rem_device_all");
	/* pktgen's thread removes the card when it gets to that. */
	while (pg_try("kpktgend_0", "add_device %s", feed->nic)) {
		if (!tries--)
			die("pktgen does not take the card");
		rest_ms(100);
	}
	pg_set(feed->nic, "clone_skb 0");
	pg_set(feed->nic, "burst %u", feed->burst);
	pg_set(feed->nic, "pkt_size %u", feed->bytes);
	pg_set(feed->nic, "delay %lu", feed->interval_ms * 1000000ul);
	pg_set(feed->nic, "src_min 10.0.2.9");
	pg_set(feed->nic, "src_max 10.0.2.9");
	pg_set(feed->nic, "dst %s", feed->to);
	pg_set(feed->nic, "dst_mac %s", feed->mac);
	pg_set(feed->nic, "src_mac %s", PG_MAC);
	pg_set(feed->nic, "udp_src_min %u", PG_FROM);
	pg_set(feed->nic, "udp_src_max %u", PG_FROM + (feed->flows > 1 ? feed->flows : 0));
	pg_set(feed->nic, "udp_dst_min %u", PG_TO);
	pg_set(feed->nic, "udp_dst_max %u", PG_TO);
	pg_set(feed->nic, "flag NO_TIMESTAMP");
}

/* Starts to send packets, as another process. */
static pid_t pg_begin(const struct pg_feed *feed, unsigned long count)
{
	pid_t child;

	pg_set(feed->nic, "count %lu", count);
	child = fork();
	if (child < 0)
		die("fork");
	if (child)
		return child;
	_exit(pg_try("pgctrl", "start") ? 1 : 0);
}

/* Waits until all packets were sent. */
static void pg_end(pid_t child)
{
	int status;

	if (waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status)) {
		fprintf(stderr, "pktgen does not send\n");
		exit(1);
	}
}

#endif
