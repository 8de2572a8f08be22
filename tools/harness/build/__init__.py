# SPDX-License-Identifier: GPL-2.0
"""Builds the kernels of guests, and the modules for them."""
