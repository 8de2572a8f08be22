# SPDX-License-Identifier: GPL-2.0
"""The Debian package: built, installed, and tested in whole Debian guests."""
