# SPDX-License-Identifier: GPL-2.0
"""rust-project.json, and what clippy says of the modules."""

import unittest

from harness.build import modules, rust_analyzer
from harness.paths import REPO
from harness.say import Failure


def _crate(name: str, root, deps=()) -> dict:
    return {"display_name": name, "root_module": str(root), "deps": [{"crate": n, "name": str(n)} for n in deps],
            "cfg": ["CONFIG_X"] if name == "kernel" else []}


class Project(unittest.TestCase):
    """Our crates, from the commands that compiled them."""

    def setUp(self):
        self.out = self.top

    def _compiled(self, name: str, root: str, externs: list, library: bool) -> None:
        path = self.out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        emit = f"--emit=metadata=./{path.parent.name}/lib{path.name}.rmeta" if library else ""
        path.with_name(f".{path.name}.o.cmd").write_text(
            f"savedcmd_{name}.o := OBJTREE=/k RUST_MODFILE=./x rustc --edition=2021 {emit} "
            + "".join(f"--extern {extern} " for extern in externs)
            + f"--cfg MODULE --extern kernel --crate-type rlib {REPO}/./{root} ;llvm-link a.bc\n\nsource_x := y\n")

    def _project(self, extra=()) -> list:
        base = {"sysroot": "/s", "crates": [
            _crate("core", "/r/core.rs"), _crate("alloc", "/r/alloc.rs", [0]),
            _crate("kernel", "/k/lib.rs", [0]), *extra]}
        whole = rust_analyzer.project(base, self.out)
        assert whole["sysroot"] == "/s"
        return whole["crates"]

    def _deps(self, crates: list, name: str) -> list:
        crate = next(crate for crate in reversed(crates) if crate["display_name"] == name)
        for dep in crate["deps"]:
            assert crates[dep["crate"]]["display_name"] == dep["name"]
        return [dep["name"] for dep in crate["deps"]]

    def test_crates_come_behind_those_they_depend_on(self):
        self._compiled("a/driver", "driver.rs", ["net", "queue"], False)
        self._compiled("b/net", "kernel/net.rs", ["queue"], True)
        self._compiled("c/queue", "queue/lib.rs", [], True)
        crates = self._project()
        assert [crate["display_name"] for crate in crates[3:]] == ["queue", "net", "driver"]
        assert self._deps(crates, "driver") == ["core", "alloc", "net", "queue", "kernel"]
        assert crates[-1]["root_module"] == str(REPO / "driver.rs")
        assert crates[-1]["cfg"] == ["CONFIG_X", "MODULE"]
        assert crates[-1]["env"]["RUST_VIRTIO_OBJ"] == str(self.out)

    def test_what_the_kernels_script_makes_of_our_files_goes(self):
        self._compiled("c/queue", "queue/lib.rs", [], True)
        crates = self._project([_crate("driver", REPO / "driver.rs", [2]), _crate("sample", "/k/sample.rs", [2, 0])])
        assert [crate["display_name"] for crate in crates[3:]] == ["sample", "queue"]
        assert [dep["crate"] for dep in crates[3]["deps"]] == [2, 0]

    def test_a_circle_is_said(self):
        self._compiled("a/one", "one.rs", ["two"], True)
        self._compiled("a/two", "two.rs", ["one"], True)
        with self.assertRaisesRegex(Failure, "in a circle: one, two"):
            self._project()

    def test_commands_of_other_compilers_are_no_crates(self):
        (self.out / ".x.o.cmd").write_text("savedcmd_x.o := clang -c x.c\n")
        assert len(self._project()) == 3


class Clippy(unittest.TestCase):
    """The lints in the log of a build."""

    def test_findings_are_kept_and_the_rest_is_left(self):
        text = ("  CLIPPY [M] net/x.o\n"
                "warning: this is long\n  --> net/x.rs:3:1\n   |\n3  | fn\n   = note: why\n\n"
                "warning: 1 warning emitted\n\n  LD [M]  x.ko\nwarning: the compiler differs from the one\n"
                "error[E0308]: types\n --> y.rs:1:1\n")
        assert modules.said(text) == ("warning: this is long\n  --> net/x.rs:3:1\n   |\n3  | fn\n   = note: why\n"
            "error[E0308]: types\n --> y.rs:1:1")

    def test_nothing_is_said_of_a_clean_build(self):
        assert modules.said("  CLIPPY [M] x.o\n  LD [M]  x.ko\n") == ""
