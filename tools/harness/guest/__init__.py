# SPDX-License-Identifier: GPL-2.0
"""Guests under QEMU: their description, their disks and networks, and the talk with them."""
