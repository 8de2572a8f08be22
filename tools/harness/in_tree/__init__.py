# SPDX-License-Identifier: GPL-2.0
"""The drivers and the ring in a tree of the kernel."""
