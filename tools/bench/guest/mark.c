// SPDX-License-Identifier: GPL-2.0
/*
 * mark begin|end ID: marks the beginning or the end of a phase for the QEMU plugin.
 */
#include <stdio.h>
#include <stdlib.h>

#include "mark.h"

int main(int argc, char **argv)
{
	mark_fn mark;

	if (argc != 3 || (strcmp(argv[1], "begin") && strcmp(argv[1], "end"))) {
		fprintf(stderr, "usage: mark begin|end ID\n");
		return 2;
	}
	mark = mark_prepare(strtoul(argv[2], NULL, 0), strcmp(argv[1], "end") ? 0 : MARK_END);
	if (!mark) {
		perror("mark");
		return 1;
	}
	mark();
	return 0;
}
