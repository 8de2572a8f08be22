// SPDX-License-Identifier: GPL-2.0
/*
 * Moves an exact number of packets on one of the paths through a NIC, between two marks (mark.h).
 *
 *	paths ID COUNT VERB INTERFACE BURST
 *
 *	receive		UDP datagrams to a socket
 *	forward		packets that the kernel forwards to another NIC
 *	drop, tx	packets for an XDP program with that action
 *	redirect	the same, to another NIC
 *	xsk-receive	packets for an AF_XDP socket
 *	xsk-send	packets of an AF_XDP socket
 *	send-flows	UDP datagrams of a socket for each flow
 *	ping		ICMP echoes, which the host answers
 *	stream-out, stream-in	megabytes over a TCP connection to the host
 *
 * In the environment: FEED, the card that packets come from (pktgen.h); OTHER, the other NIC; HOST,
 * the host's address; BYTES, the size of frames; FLOWS; APART, to have a mark after each burst of
 * the card.
 * ID 0 does the same without marks.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "ops.h"
#include "pktgen.h"
#include "program.h"
#include "xsk.h"

/* Packets before the first mark, as each phase sets its path up anew: two laps of a ring of 256. */
#define WARM_UP		512
/* Longer than any device waits before it sends, and than the guest works on a burst. */
#define REST_MS		40
/* The same where nothing is sent. */
#define PAUSE_MS	20
#define PORT		9
/* Of tools/bench/guest/stream.py. */
#define STREAM_PORT	5011
#define CHUNK		(256 * 1024)
#define CHUNKS		4
#define STREAM_WARM_UP	8
#define HEADERS		(ETH_HLEN + 20 + 8)
#define FLOWS_MAX	1024

static const char *nic, *other, *feed_nic, *host;
static unsigned long bytes = 60, flows = 1;
static int apart;

static const char *setting(const char *name, const char *usual)
{
	const char *found = getenv(name);

	return found && *found ? found : usual;
}

static const char *mac_of(const char *interface)
{
	static char mac[32];
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "/sys/class/net/%s/address", interface);
	file = fopen(path, "r");
	if (!file || fscanf(file, "%31s", mac) != 1)
		die(interface);
	fclose(file);
	return mac;
}

/* Does what comes with the packets of a burst, until `total` have come. */
typedef void (*take_fn)(void *context, unsigned long total);

/* Sends packets from the card, in bursts, and has them taken. */
static void feed(struct pg_feed *feed, unsigned long count, take_fn take, void *context)
{
	unsigned long at = 0, step = apart && mark_op ? feed->burst : count;

	while (at < count) {
		pid_t child = pg_begin(feed, step);

		at += step;
		if (take)
			take(context, step);
		pg_end(child);
		rest_ms(feed->interval_ms);
		operation();
	}
}

/* Warms up and does the counted part. */
static void fed(struct pg_feed *from, unsigned long count, take_fn take, void *context)
{
	int parts = apart;

	pg_prepare(from);
	apart = 0;
	feed(from, WARM_UP, take, context);
	apart = parts;
	enter();
	feed(from, count, take, context);
	leave();
}

static struct pg_feed feed_to(const char *to, unsigned int burst, unsigned int interval_ms)
{
	return (struct pg_feed) {
		.nic = feed_nic, .to = to, .mac = mac_of(nic), .burst = burst,
		.interval_ms = interval_ms, .bytes = bytes, .flows = flows,
	};
}

static void limit(int fd)
{
	struct timeval time = { .tv_sec = 5 };

	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time)))
		die("timeout");
}

static void take_datagrams(void *context, unsigned long total)
{
	static char data[65536];

	while (total--)
		if (recv(*(int *)context, data, sizeof(data), 0) != (ssize_t)(bytes - HEADERS))
			die("no datagram");
}

static void receive(unsigned long count, unsigned int burst)
{
	struct sockaddr_in here = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	struct pg_feed from = feed_to("10.0.2.15", burst, PAUSE_MS);
	int fd = socket(AF_INET, SOCK_DGRAM, 0), size = 8 << 20;

	if (fd < 0 || bind(fd, (void *)&here, sizeof(here)))
		die("socket");
	limit(fd);
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)))
		die("buffer");
	fed(&from, count, take_datagrams, &fd);
}

static void forward(unsigned long count, unsigned int burst)
{
	struct pg_feed from = feed_to("10.0.3.2", burst, REST_MS);

	fed(&from, count, NULL, NULL);
}

static void with_program(unsigned long count, unsigned int burst, int act)
{
	struct pg_feed from = feed_to("10.0.2.15", burst, act == XDP_DROP ? PAUSE_MS : REST_MS);
	struct program program = run_program(nic, act, other);

	/* A NIC takes redirected packets only if it has a program, too. */
	if (act == XDP_REDIRECT)
		run_program(other, XDP_PASS, NULL);
	print_places();
	fed(&from, count, NULL, NULL);
	if (counted(&program) != count + WARM_UP) {
		fprintf(stderr, "the program has seen %lu packets of %lu\n",
			(unsigned long)counted(&program), count + WARM_UP);
		exit(1);
	}
}

static void take_from_xsk(void *context, unsigned long total)
{
	struct xsk *xsk = context;
	fd_set set;

	while (total) {
		/* What is left of it comes back. */
		struct timeval time = { .tv_sec = 5 };
		unsigned int found;

		FD_ZERO(&set);
		FD_SET(xsk->fd, &set);
		if (select(xsk->fd + 1, &set, NULL, NULL, &time) != 1)
			die("no packet");
		found = xsk_receive(xsk);
		if (found > total) {
			fprintf(stderr, "too many packets\n");
			exit(1);
		}
		total -= found;
		xsk_fill(xsk);
	}
}

static void xsk_in(unsigned long count, unsigned int burst)
{
	struct pg_feed from = feed_to("10.0.2.15", burst, PAUSE_MS);
	struct program program = run_for_socket(nic);
	static struct xsk xsk;

	xsk_open(&xsk, nic, &program);
	xsk_fill(&xsk);
	print_places();
	fed(&from, count, take_from_xsk, &xsk);
}

static void send_bursts(struct xsk *xsk, unsigned long count, unsigned int burst)
{
	/* To an address that no card has. */
	static const unsigned char frame[60] = {
		0x52, 0x54, 0, 0, 0xff, 0xff, 0x52, 0x54, 0, 0, 0xff, 0xfe, 0x88, 0xb6,
	};

	for (; count >= burst; count -= burst) {
		xsk_send(xsk, burst, frame, sizeof(frame));
		rest_ms(REST_MS);
		xsk_complete(xsk);
		operation();
	}
}

static void xsk_out(unsigned long count, unsigned int burst)
{
	static struct xsk xsk;

	/* The driver has queues for AF_XDP only while there is a program. */
	run_program(nic, XDP_PASS, NULL);
	xsk_open(&xsk, nic, NULL);
	print_places();
	send_bursts(&xsk, WARM_UP, burst);
	enter();
	send_bursts(&xsk, count, burst);
	leave();
}

static void send_flows(const int *fds, unsigned long count, unsigned int burst)
{
	static char data[65536];
	unsigned long i, at = 0;

	for (; count >= burst; count -= burst) {
		for (i = 0; i < burst; i++)
			if (send(fds[at++ % flows], data, bytes - HEADERS, 0) < 0)
				die("send");
		rest_ms(REST_MS);
		operation();
	}
}

static void send_udp(unsigned long count, unsigned int burst)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	struct sockaddr_in from = { .sin_family = AF_INET };
	struct rlimit files = { .rlim_cur = 2 * FLOWS_MAX, .rlim_max = 2 * FLOWS_MAX };
	static int fds[FLOWS_MAX];
	unsigned long i;

	if (!inet_aton(host, &to.sin_addr) || setrlimit(RLIMIT_NOFILE, &files))
		die("flows");
	for (i = 0; i < flows; i++) {
		from.sin_port = htons(PG_FROM + i);
		fds[i] = socket(AF_INET, SOCK_DGRAM, 0);
		if (fds[i] < 0 || bind(fds[i], (void *)&from, sizeof(from)) ||
		    connect(fds[i], (void *)&to, sizeof(to)))
			die("flow");
	}
	send_flows(fds, WARM_UP, burst);
	enter();
	send_flows(fds, count, burst);
	leave();
}

static uint16_t checksum(const void *data, size_t length)
{
	const uint16_t *words = data;
	uint32_t sum = 0;

	for (; length > 1; length -= 2)
		sum += *words++;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

static void ping(unsigned long count)
{
	static struct { struct icmphdr head; char data[65536]; } packet;
	static struct { struct iphdr ip; struct icmphdr icmp; char data[65536]; } reply;
	struct sockaddr_in to = { .sin_family = AF_INET };
	size_t length = bytes - ETH_HLEN - 20;
	int fd = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
	unsigned long warm = 64;

	if (fd < 0 || !inet_aton(host, &to.sin_addr))
		die("socket");
	limit(fd);
	packet.head.type = ICMP_ECHO;
	packet.head.un.echo.id = getpid();
	packet.head.checksum = checksum(&packet, length);
	for (count += warm; count; count--) {
		if (warm && !--warm)
			enter();
		if (sendto(fd, &packet, length, 0, (void *)&to, sizeof(to)) < 0)
			die("send");
		do {
			if (recv(fd, &reply, sizeof(reply), 0) < 0)
				die("unanswered");
		} while (reply.icmp.type != ICMP_ECHOREPLY ||
			 reply.icmp.un.echo.id != packet.head.un.echo.id);
		operation();
	}
	leave();
}

/* Moves chunks in one direction. The other side says of each that it is complete. */
static void move(int fd, unsigned long chunks, int out)
{
	static char data[CHUNK];
	unsigned long i;

	for (i = 0; i < chunks; i++) {
		if (send(fd, data, out ? CHUNK : 1, 0) != (out ? CHUNK : 1))
			die("stream out");
		if (recv(fd, data, out ? 1 : CHUNK, MSG_WAITALL) != (out ? 1 : CHUNK))
			die("stream in");
		if (i % CHUNKS == CHUNKS - 1)
			operation();
	}
}

static void stream(unsigned long megabytes, int out)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(STREAM_PORT) };
	int fd = socket(AF_INET, SOCK_STREAM, 0), size = 2 << 20;

	inet_aton(host, &to.sin_addr);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) ||
	    connect(fd, (void *)&to, sizeof(to)))
		die("connection");
	limit(fd);
	if (send(fd, out ? "o" : "i", 1, 0) != 1)
		die("direction");
	/* Until the window is open. */
	move(fd, STREAM_WARM_UP * CHUNKS, out);
	enter();
	move(fd, megabytes * CHUNKS, out);
	leave();
	close(fd);
}

int main(int argc, char **argv)
{
	unsigned long count, burst;
	const char *verb;

	if (argc != 6) {
		fprintf(stderr, "usage: paths ID COUNT VERB INTERFACE BURST\n");
		return 2;
	}
	count = strtoul(argv[2], NULL, 0);
	verb = argv[3];
	nic = argv[4];
	burst = strtoul(argv[5], NULL, 0);
	other = setting("OTHER", NULL);
	feed_nic = setting("FEED", "");
	host = setting("HOST", "");
	bytes = strtoul(setting("BYTES", "60"), NULL, 0);
	flows = strtoul(setting("FLOWS", "1"), NULL, 0);
	apart = *setting("APART", "") != 0;
	if (!burst || count % burst || WARM_UP % burst || bytes < HEADERS || bytes > 65535 ||
	    !flows || flows > FLOWS_MAX) {
		fprintf(stderr, "paths: wrong numbers\n");
		return 2;
	}
	ops_prepare(strtoul(argv[1], NULL, 0));
	if (!strcmp(verb, "receive"))
		receive(count, burst);
	else if (!strcmp(verb, "forward"))
		forward(count, burst);
	else if (!strcmp(verb, "drop"))
		with_program(count, burst, XDP_DROP);
	else if (!strcmp(verb, "tx"))
		with_program(count, burst, XDP_TX);
	else if (!strcmp(verb, "redirect"))
		with_program(count, burst, XDP_REDIRECT);
	else if (!strcmp(verb, "xsk-receive"))
		xsk_in(count, burst);
	else if (!strcmp(verb, "xsk-send"))
		xsk_out(count, burst);
	else if (!strcmp(verb, "send-flows"))
		send_udp(count, burst);
	else if (!strcmp(verb, "ping"))
		ping(count);
	else if (!strcmp(verb, "stream-out"))
		stream(count, 1);
	else if (!strcmp(verb, "stream-in"))
		stream(count, 0);
	else
		return 2;
	return 0;
}
