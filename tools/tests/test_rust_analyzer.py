# SPDX-License-Identifier: GPL-2.0
"""rust-project.json."""

import pytest

from harness.build import rust_analyzer
from harness.paths import REPO
from harness.say import Failure


def _crate(name: str, root, deps=()) -> dict:
    return {"display_name": name, "root_module": str(root), "deps": [{"crate": n, "name": str(n)} for n in deps],
            "cfg": ["CONFIG_X"] if name == "kernel" else []}


@pytest.fixture
def compiled(write):
    """Returns a function that leaves the command by which a crate was compiled."""
    def leave(name: str, root: str, externs: str, library: bool) -> None:
        folder, _, crate = name.rpartition("/")
        emit = f"--emit=metadata=./{folder}/lib{crate}.rmeta" if library else ""
        write(f"{folder}/.{crate}.o.cmd",
              f"savedcmd_{name}.o := OBJTREE=/k RUST_MODFILE=./x rustc --edition=2021 {emit} "
              + "".join(f"--extern {extern} " for extern in externs.split())
              + f"--cfg MODULE --extern kernel --crate-type rlib {REPO}/./{root} ;llvm-link a.bc\n\nsource_x := y\n")

    return leave


def project(place, *extra) -> list:
    """Returns the crates of a project, beside some of the kernel."""
    base = {"sysroot": "/s", "crates": [_crate("core", "/r/core.rs"), _crate("alloc", "/r/alloc.rs", [0]),
                                        _crate("kernel", "/k/lib.rs", [0]), *extra]}
    whole = rust_analyzer.project(base, place)
    assert whole["sysroot"] == "/s"
    return whole["crates"]


def test_crates_come_behind_those_they_depend_on(compiled, tmp_path):
    compiled("a/driver", "driver.rs", "net queue", False)
    compiled("b/net", "kernel/net.rs", "queue", True)
    compiled("c/queue", "queue/lib.rs", "", True)
    crates = project(tmp_path)
    assert [crate["display_name"] for crate in crates[3:]] == ["queue", "net", "driver"]
    driver = crates[-1]
    assert [dep["name"] for dep in driver["deps"]] == ["core", "alloc", "net", "queue", "kernel"]
    assert [crates[dep["crate"]]["display_name"] for dep in driver["deps"]] == [dep["name"] for dep in driver["deps"]]
    assert (driver["root_module"], driver["cfg"]) == (str(REPO / "driver.rs"), ["CONFIG_X", "MODULE"])
    assert driver["env"]["RUST_VIRTIO_OBJ"] == str(tmp_path)


def test_what_the_kernels_script_makes_of_our_files_goes(compiled, tmp_path):
    compiled("c/queue", "queue/lib.rs", "", True)
    crates = project(tmp_path, _crate("driver", REPO / "driver.rs", [2]), _crate("sample", "/k/sample.rs", [2, 0]))
    assert [crate["display_name"] for crate in crates[3:]] == ["sample", "queue"]
    assert [dep["crate"] for dep in crates[3]["deps"]] == [2, 0]


def test_a_circle_is_said(compiled, tmp_path):
    compiled("a/one", "one.rs", "two", True)
    compiled("a/two", "two.rs", "one", True)
    with pytest.raises(Failure, match="in a circle: one, two"):
        project(tmp_path)


def test_commands_of_other_compilers_are_no_crates(tmp_path, write):
    write(".x.o.cmd", "savedcmd_x.o := clang -c x.c\n")
    assert len(project(tmp_path)) == 3
