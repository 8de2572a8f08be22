// SPDX-License-Identifier: GPL-2.0
/* The tracepoints, exported for Rust code that is inlined in other modules. */

#include <linux/export.h>

#include "trace_rust.h"

#define CREATE_TRACE_POINTS
#define CREATE_RUST_TRACE_POINTS
#include "trace.h"

#define EXPORT_RUST_TRACEPOINT(name)		\
	EXPORT_TRACEPOINT_SYMBOL_GPL(name);	\
	EXPORT_SYMBOL_GPL(rust_do_trace_##name)

EXPORT_RUST_TRACEPOINT(vring_add);
EXPORT_RUST_TRACEPOINT(vring_kick);
EXPORT_RUST_TRACEPOINT(vring_get_buf);
EXPORT_RUST_TRACEPOINT(vring_callback);
EXPORT_RUST_TRACEPOINT(vring_broken);
