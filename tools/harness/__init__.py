# SPDX-License-Identifier: GPL-2.0
"""The harness: builds the guest kernel and the modules, boots guests, runs tests."""
