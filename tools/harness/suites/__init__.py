# SPDX-License-Identifier: GPL-2.0
"""The tests, one module for each kind, and the commands that run several kinds."""
