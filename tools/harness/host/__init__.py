# SPDX-License-Identifier: GPL-2.0
"""The machine that the harness runs on: its needs, its compilers, and Debian roots on it."""
