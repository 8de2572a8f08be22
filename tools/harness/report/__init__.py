# SPDX-License-Identifier: GPL-2.0
"""Results of tests, and documents that are made of them."""
