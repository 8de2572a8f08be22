# SPDX-License-Identifier: GPL-2.0
"""The parts of `make check`: what they read is named in `places`, and `harness/checks/check.py` runs them."""
