// SPDX-License-Identifier: GPL-2.0
/* Exports the symbols of the `virtio` crate to the driver modules. */

#include <linux/export.h>

#define EXPORT_SYMBOL_RUST_GPL(sym) extern int sym; EXPORT_SYMBOL_GPL(sym)

/* The search path leads to the file of the crate, not to one beside this file. */
#include <exports_generated.h>
