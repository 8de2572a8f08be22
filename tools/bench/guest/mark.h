/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tells the QEMU plugin of tools/bench/plugin that a phase begins or ends, or that an operation of
 * it ends, by executing a long nop whose immediate carries the number of the phase. On any other
 * machine it does nothing.
 */
#ifndef BENCH_MARK_H
#define BENCH_MARK_H

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Room for the number of a phase. */
#define MARK_MAX	(1u << 22)
#define MARK_OPERATION	(1u << 22)
#define MARK_END	(1u << 23)
#define MARK_MAGIC	(0x5au << 24)

/* nopl imm32(%rbp,%rbp,8); ret */
static const unsigned char mark_code[] = { 0x0f, 0x1f, 0x84, 0xed, 0, 0, 0, 0, 0xc3 };

typedef void (*mark_fn)(void);

/*
 * Returns a function that marks the beginning (flag 0) or the end (MARK_END) of phase `id`, or the
 * end of an operation (MARK_OPERATION).
 */
static inline mark_fn mark_prepare(unsigned int id, unsigned int flag)
{
	unsigned int word = MARK_MAGIC | flag | id;
	unsigned char *code = mmap(NULL, sizeof(mark_code), PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (id >= MARK_MAX || code == MAP_FAILED)
		return NULL;
	memcpy(code, mark_code, sizeof(mark_code));
	memcpy(code + 4, &word, sizeof(word));
	if (mprotect(code, sizeof(mark_code), PROT_READ | PROT_EXEC))
		return NULL;
	return (mark_fn)code;
}

#endif
