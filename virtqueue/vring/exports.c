// SPDX-License-Identifier: GPL-2.0
/* Exports the symbols of the `vring` crate to the other modules. */

#include "../exports.c"
