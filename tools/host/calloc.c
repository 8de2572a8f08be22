// SPDX-License-Identifier: GPL-2.0
/*
 * Zeroes behind every block of memory that QEMU takes by calloc().
 *
 * QEMU before 10.1 looks at the element behind its list of buffers in order
 * (virtqueue_ordered_fill) when a buffer beyond the end of the ring is filled before those in front
 * of it, takes the bytes there for a number of descriptors, and loses the buffer: the ring stands
 * still. A zero does no harm.
 */
#include <stddef.h>

#define SLACK 256

void *__libc_calloc(size_t count, size_t size);

void *calloc(size_t count, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(count, size, &bytes) ||
	    __builtin_add_overflow(bytes, SLACK, &bytes))
		return NULL;
	return __libc_calloc(1, bytes);
}
