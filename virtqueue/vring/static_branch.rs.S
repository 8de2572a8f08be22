// SPDX-License-Identifier: GPL-2.0
/*
 * The instructions of a static branch, as the asm!() of the kernel's
 * static_branch_unlikely!() takes them.
 *
 * The kernel makes the same from rust/kernel/generated_arch_static_branch_asm.rs.S.
 * This is for kernels whose packages lack the result: see Kbuild.
 */

#include <linux/jump_label.h>

// Cut here.

::kernel::concat_literals!(ARCH_STATIC_BRANCH_ASM("{symb} + {off} + {branch}", "{l_yes}"))
