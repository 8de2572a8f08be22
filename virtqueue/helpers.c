// SPDX-License-Identifier: GPL-2.0

#include <linux/mm.h>

#include "helpers.h"

struct page *rust_helper_virt_to_page(const void *addr)
{
	return virt_to_page(addr);
}
