# SPDX-License-Identifier: GPL-2.0
"""The demo: the same work on the C and on the Rust drivers."""
