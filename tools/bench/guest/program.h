/* SPDX-License-Identifier: GPL-2.0 */
/*
 * XDP programs, attached in native mode for as long as the process lives. Each counts the packets
 * that it sees.
 */
#ifndef BENCH_PROGRAM_H
#define BENCH_PROGRAM_H

#include <linux/bpf.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <sys/syscall.h>

#include "ops.h"

/* The map and the program of an interface. */
struct program {
	int counts, sockets;
};

static int bpf(int command, union bpf_attr *attr)
{
	return syscall(SYS_bpf, command, attr, sizeof(*attr));
}

static int make_map(unsigned int type, unsigned int value_size)
{
	union bpf_attr attr = {
		.map_type = type, .key_size = 4, .value_size = value_size, .max_entries = 1,
	};
	int fd = bpf(BPF_MAP_CREATE, &attr);

	if (fd < 0)
		die("map");
	return fd;
}

#define INSN(c, d, s, o, i)						\
	{ .code = (c), .dst_reg = (d), .src_reg = (s), .off = (o), .imm = (i) }
#define MOV(d, i)	INSN(BPF_ALU64 | BPF_MOV | BPF_K, d, 0, 0, i)
#define LOAD(z, d, s, o) INSN(BPF_LDX | BPF_MEM | (z), d, s, o, 0)
#define STORE(z, d, o, s) INSN(BPF_STX | BPF_MEM | (z), d, s, o, 0)
#define CALL(f)		INSN(BPF_JMP | BPF_CALL, 0, 0, 0, f)
#define RETURN		INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)

/* Counts the packet. Leaves the context in r6. */
#define COUNT(map)								\
	INSN(BPF_ALU64 | BPF_MOV | BPF_X, 6, 1, 0, 0),				\
	INSN(BPF_LD | BPF_IMM | BPF_DW, 1, BPF_PSEUDO_MAP_VALUE, 0, map), INSN(0, 0, 0, 0, 0), \
	LOAD(BPF_DW, 2, 1, 0), INSN(BPF_ALU64 | BPF_ADD | BPF_K, 2, 0, 0, 1), STORE(BPF_DW, 1, 0, 2)

/* Exchanges the addresses of a packet; one that is too short is dropped. */
#define EXCHANGE								\
	LOAD(BPF_W, 2, 6, 0), LOAD(BPF_W, 3, 6, 4),				\
	INSN(BPF_ALU64 | BPF_MOV | BPF_X, 4, 2, 0, 0),				\
	INSN(BPF_ALU64 | BPF_ADD | BPF_K, 4, 0, 0, 14),				\
	INSN(BPF_JMP | BPF_JLE | BPF_X, 4, 3, 2, 0), MOV(0, XDP_DROP), RETURN,	\
	LOAD(BPF_W, 0, 2, 0), LOAD(BPF_H, 1, 2, 4), LOAD(BPF_W, 4, 2, 6), LOAD(BPF_H, 5, 2, 10), \
	STORE(BPF_W, 2, 0, 4), STORE(BPF_H, 2, 4, 5), STORE(BPF_W, 2, 6, 0), STORE(BPF_H, 2, 10, 1)

static int load_program(const struct bpf_insn *code, size_t count)
{
	static char log[1 << 16];
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_XDP, .insns = (uintptr_t)code, .insn_cnt = count,
		.license = (uintptr_t)"GPL", .log_level = 1, .log_size = sizeof(log),
		.log_buf = (uintptr_t)log, .prog_name = "bench",
	};
	int fd = bpf(BPF_PROG_LOAD, &attr);

	if (fd < 0) {
		perror(log);
		exit(1);
	}
	return fd;
}

/* The link stays with the process. */
static void attach(const char *nic, int program)
{
	union bpf_attr attr = { .link_create = {
		.prog_fd = program, .target_ifindex = if_nametoindex(nic), .attach_type = BPF_XDP,
		.flags = XDP_FLAGS_DRV_MODE,
	} };

	if (bpf(BPF_LINK_CREATE, &attr) < 0)
		die("the program is not attached");
}

/* Attaches a program with the action `act`; XDP_REDIRECT sends to the interface `to`. */
static struct program run_program(const char *nic, int act, const char *to)
{
	struct program made = { .counts = make_map(BPF_MAP_TYPE_ARRAY, 8), .sockets = -1 };
	struct bpf_insn plain[] = { COUNT(made.counts), MOV(0, act), RETURN };
	struct bpf_insn back[] = { COUNT(made.counts), EXCHANGE, MOV(0, XDP_TX), RETURN };
	struct bpf_insn on[] = {
		COUNT(made.counts), EXCHANGE, MOV(1, to ? if_nametoindex(to) : 0), MOV(2, 0),
		CALL(BPF_FUNC_redirect), RETURN,
	};

	if (act == XDP_TX)
		attach(nic, load_program(back, sizeof(back) / sizeof(*back)));
	else if (act == XDP_REDIRECT)
		attach(nic, load_program(on, sizeof(on) / sizeof(*on)));
	else
		attach(nic, load_program(plain, sizeof(plain) / sizeof(*plain)));
	return made;
}

/* Attaches a program that passes the packets to a socket, which is to be put into the map. */
static struct program run_for_socket(const char *nic)
{
	struct program made = {
		.counts = make_map(BPF_MAP_TYPE_ARRAY, 8),
		.sockets = make_map(BPF_MAP_TYPE_XSKMAP, 4),
	};
	struct bpf_insn code[] = {
		COUNT(made.counts), LOAD(BPF_W, 2, 6, 16),
		INSN(BPF_LD | BPF_IMM | BPF_DW, 1, BPF_PSEUDO_MAP_FD, 0, made.sockets),
		INSN(0, 0, 0, 0, 0), MOV(3, XDP_DROP), CALL(BPF_FUNC_redirect_map), RETURN,
	};

	attach(nic, load_program(code, sizeof(code) / sizeof(*code)));
	return made;
}

static uint64_t counted(const struct program *program)
{
	uint32_t key = 0;
	uint64_t value = 0;
	union bpf_attr attr = {
		.map_fd = program->counts, .key = (uintptr_t)&key, .value = (uintptr_t)&value,
	};

	if (bpf(BPF_MAP_LOOKUP_ELEM, &attr))
		die("count");
	return value;
}

/* Prints where compiled programs are, so that they are not taken for a part of a module. */
static void print_places(void)
{
	FILE *symbols = fopen("/proc/kallsyms", "r");
	char line[512];

	if (!symbols)
		die("symbols");
	while (fgets(line, sizeof(line), symbols))
		if (strstr(line, "[bpf]"))
			printf("bpf %s", line);
	fclose(symbols);
	fflush(stdout);
}

#endif
