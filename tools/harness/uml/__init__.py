# SPDX-License-Identifier: GPL-2.0
"""Guests in User-mode Linux."""
