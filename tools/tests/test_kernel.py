# SPDX-License-Identifier: GPL-2.0
"""The build of the guest kernel: what an interruption leaves."""

import os
import unittest
from unittest import mock

from harness.build import kernel
from harness.say import Failure


class Interrupted(unittest.TestCase):
    """A build whose commands are looked at, and that may end in the middle."""

    def setUp(self):
        self.ran, self.fails = [], ""
        tools = mock.Mock(identity="gcc", make=list, env=dict)
        for patch in (mock.patch.dict(os.environ, {"RUST_VIRTIO_CACHE": str(self.top)}),
                      mock.patch.object(kernel.source, "ensure", return_value=self.top),
                      mock.patch.object(kernel.source, "version", return_value="7.3"),
                      mock.patch.object(kernel.toolchain, "find", return_value=tools),
                      mock.patch.object(kernel, "_check_merged"), mock.patch.object(kernel, "say"),
                      mock.patch.object(kernel.shutil, "disk_usage", return_value=mock.Mock(free=1 << 40)),
                      mock.patch.object(kernel, "run", self.run_it)):
            self.enter(patch)
        for name in ("KDIR", "KERNEL", "KSRC"):
            os.environ.pop(name, None)

    def run_it(self, _argv, _log, what, **_options):
        """Stands in for a command."""
        self.ran.append(what)
        if what == self.fails:
            raise KeyboardInterrupt if what == "kernel build" else Failure(what)

    def test_a_build_goes_on_where_it_was_ended(self):
        self.fails = "merge_config.sh"
        with self.assertRaises(Failure):
            kernel.directory()
        self.fails = "kernel build"
        for configured in (False, True):
            self.ran = []
            with self.assertRaises(KeyboardInterrupt):
                kernel.directory()
            assert ("make tinyconfig" not in self.ran) == configured, self.ran
        self.ran, self.fails = [], ""
        kdir = kernel.directory()
        assert self.ran == ["kernel build"]
        assert kernel.directory() == kdir
        assert self.ran == ["kernel build"]
