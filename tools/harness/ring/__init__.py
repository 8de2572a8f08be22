# SPDX-License-Identifier: GPL-2.0
"""The ring core on the host: its tests, sanitizers, and the fuzzer."""
