/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The parts that programs with counted operations have in common: marks, and processor 0.
 */
#ifndef BENCH_OPS_H
#define BENCH_OPS_H

#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "mark.h"

static mark_fn mark_begin, mark_op, mark_end;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

/* Prepares the marks of phase `id`; phase 0 has none. Keeps to processor 0. */
static void ops_prepare(unsigned long id)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(0, &cpus);
	if (sched_setaffinity(0, sizeof(cpus), &cpus))
		die("processor 0");
	if (!id)
		return;
	mark_begin = mark_prepare(id, 0);
	mark_op = mark_prepare(id, MARK_OPERATION);
	mark_end = mark_prepare(id, MARK_END);
	if (!mark_begin || !mark_op || !mark_end)
		die("mark");
}

static void enter(void)
{
	if (mark_begin)
		mark_begin();
}

/* An operation, or a burst of them, is over. */
static void operation(void)
{
	if (mark_op)
		mark_op();
}

static void leave(void)
{
	if (mark_end)
		mark_end();
}

static void rest_ms(unsigned int ms)
{
	struct timespec time = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000l };

	nanosleep(&time, NULL);
}

#endif
