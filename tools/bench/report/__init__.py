# SPDX-License-Identifier: GPL-2.0
"""The report: its figures arranged for reading, and the page, the charts and the table that are made of them."""
