# SPDX-License-Identifier: GPL-2.0
"""KERNEL=debian: Debian's own kernel, from packages, and the modules built for it.

The packages are unpacked into the cache; nothing is installed on the machine. What compiles for such a
kernel runs in a Debian root with the kernel's compilers, where the headers are in their usual place,
and this tree and the cache have the names that they have outside.
"""

import contextlib
import json
import os
import platform
import re
import shutil
from pathlib import Path

from .. import files, lock
from ..host import debian, debroot
from ..paths import BUILT, MARK, REPO, cache, log_dir
from ..proc import output, run
from ..say import Failure, say

#: KERNEL= -> flavour of the packages.
KERNELS = {"debian": "amd64", "debian-cloud": "cloud-amd64", "debian-rt": "rt-amd64"}

RELEASE = "trixie"
_SUITE = f"{RELEASE}-backports"
_SPACE_GB = 4


class Unavailable(Failure):
    """A kernel cannot be had on this machine: no such packages, or no way to them."""


#: What the kernel was compiled by, and what its makefiles call.
COMPILERS = debroot.Root("build", RELEASE, [
    "gcc", "make", "bc", "bison", "flex", "libssl-dev", "libelf-dev", "openssl", "pahole", "python3", "kmod", "rustc",
    "rust-src", "rust-clippy", "bindgen", "debhelper", "dh-dkms", "dkms", "lintian", "xz-utils", "cpio", "dpkg-dev",
    "fakeroot"])

_PREPARE = REPO / "packaging" / "dkms" / "prepare-kdir"

#: There when a kernel is whole: what it is, as JSON.
_MARK = f"{MARK}stock"

#: In the directory of a kernel: the unpacked packages, and what modules are built against.
_ROOT, BUILD = "root", "build"


def asked() -> str:
    """Returns the KERNEL= of the environment, "" if none is set. Raises `Failure` if there is no such kernel, or KDIR=
    or VARIANT= name another."""
    name = os.environ.get("KERNEL", "")
    if name and name not in KERNELS:
        raise Failure(f"KERNEL={name}: there is no such kernel; there are: {', '.join(KERNELS)}")
    if name and os.environ.get("KDIR"):
        raise Failure(f"both KERNEL={name} and KDIR={os.environ['KDIR']} name a kernel: set one")
    if name and os.environ.get("VARIANT"):
        raise Failure(f"KERNEL={name} is a kernel as Debian built it, which VARIANT="
                      f"{os.environ['VARIANT']} cannot change: set one")
    return name


def directory(name: str, newest: bool = False) -> Path:
    """Returns the directory of a kernel, fetched and prepared if none is in the cache.

    One that is there is taken without asking the archive; with `newest` the archive is asked for a
    later one.

    Raises `Unavailable` if packages cannot be fetched; `Failure` if what was made for the kernel does not fit.
    """
    with lock.only_one(cache() / "stock" / name):
        found = _cached(name)
        if found and not newest:
            return found[-1]
        return _fetch(name)


def is_stock(kdir: Path) -> bool:
    """Returns whether a build directory is one of a kernel from packages, and whole."""
    return bool(about(kdir))


def about(kdir: Path) -> dict:
    """Returns what a kernel from packages is: "name", "release" and "version".

    Nothing if the directory is none of such a kernel, or its mark is cut off or of a version of the
    harness that wrote another.
    """
    try:
        found = json.loads((Path(kdir) / _MARK).read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) and {"name", "release", "version"} <= set(found) else {}


def reason_not_here() -> str:
    """Returns why no package can be fetched on this machine, "" if one can."""
    if platform.machine() != "x86_64":
        return f"Debian's kernels are fetched for x86_64, and this machine is {platform.machine()}"
    if not debian.is_debian():
        return "kernels are fetched as Debian packages, and this is not Debian 12 or 13"
    return ""


def _cached(name: str) -> list:
    """Returns the kernels of a name in the cache, oldest first."""
    found = [mark.parent for mark in (cache() / "stock").glob(f"*/{_MARK}") if about(mark.parent).get("name") == name]
    return sorted(found, key=lambda kdir: [int(n) for n in re.findall(r"\d+", about(kdir)["version"])])


def _fetch(name: str) -> Path:
    why = reason_not_here()
    if why:
        raise Unavailable(f"KERNEL={name}: {why}. KDIR= takes any kernel")
    log = log_dir() / f"kernel-{name}.log"
    say(f"Asking {_SUITE} for KERNEL={name}; log: {log}")
    with _archive(name):
        apt = debian.Apt("kernel", [_SUITE], log)
        apt.update()
        release, version = _newest(apt, name)
    kdir = cache() / "stock" / re.sub(r"[^\w.]+", "-", f"{release}-{version}")
    with lock.only_one(kdir):
        if not is_stock(kdir):
            _make(apt, kdir, name, release, version, log)
    return kdir


@contextlib.contextmanager
def _archive(name: str):
    """Has a failure of what asks the archive say that a kernel cannot be had."""
    try:
        yield
    except Failure as failure:
        raise Unavailable(f"KERNEL={name}: its packages cannot be fetched: {failure}")


def _newest(apt, name: str) -> tuple:
    """Returns the kernel release and the package version that the archive has now."""
    package = f"linux-headers-{KERNELS[name]}"
    version = apt.candidate(package)
    depends = _depends(apt, package, version) if version else []
    release = next((one.removeprefix("linux-headers-") for one in depends if re.match(r"linux-headers-\d", one)), "")
    if not release:
        raise Failure(f"{_SUITE} has no {package}\nLog: {apt.log}")
    return release, version


def _depends(apt, package: str, version: str) -> list:
    """Returns the names of the packages that one depends on."""
    shown = output(["apt-cache", "show", f"{package}={version}"], env=apt.env())
    line = re.search(r"^Depends: (.*)$", shown, re.M)
    return re.findall(r"(?:^|[,|] )([a-z0-9][a-z0-9.+-]+)", line.group(1)) if line else []


def _packages(apt, release: str, version: str) -> list:
    """Returns the packages that make up a kernel and its headers, of the same upload.

    Which ones those are changes from time to time, so that their dependencies say it.
    """
    abi = re.match(r"[^-]+", release).group(0)
    names, left = set(), [f"linux-image-{release}", f"linux-headers-{release}"]
    while left:
        name = left.pop()
        if name not in names:
            names.add(name)
            left += [one for one in _depends(apt, name, version) if one.startswith("linux-") and abi in one]
    return sorted(names)


def _make(apt, kdir: Path, name: str, release: str, version: str, log: Path) -> None:
    """Makes the directory of a kernel; what an earlier run has finished is kept."""
    kdir.mkdir(parents=True, exist_ok=True)
    files.check_space(kdir, _SPACE_GB, "a kernel from packages")
    debs, root = kdir / "packages", kdir / _ROOT
    source = f"linux-source-{'.'.join(release.split('.')[:2])}"
    if not root.exists():
        packages = [f"{one}={version}" for one in _packages(apt, release, version)]
        say(f"Fetching {' '.join(packages)}; log: {log}")
        with _archive(name):
            fetched = [apt.download(one, debs) for one in packages]
        _unpack(fetched, root, log)
    if not (kdir / BUILD / BUILT).exists():
        say(f"Fetching {source} {version}; log: {log}")
        with _archive(name):
            deb = apt.download(f"{source}={version}", debs)
        run(["dpkg-deb", "-x", deb, debs / "source"], log, f"unpacking of {deb.name}")
        _prepare(kdir, release, debs / "source" / "usr" / "src" / f"{source}.tar.xz", log)
    _face(kdir, release)
    shutil.rmtree(debs, ignore_errors=True)
    with files.whole(kdir / _MARK) as mark:
        mark.write_text(json.dumps({"name": name, "release": release, "version": version}))
    say(f"Kernel: {kdir}")


def _unpack(debs: list, root: Path, log: Path) -> None:
    """Unpacks packages into one directory, which is there when all of them are."""
    with files.whole(root) as part:
        part.mkdir()
        for deb in debs:
            run(["dpkg-deb", "-x", deb, part], log, f"unpacking of {deb.name}")
    for deb in debs:
        deb.unlink()


def _prepare(kdir: Path, release: str, archive: Path, log: Path) -> None:
    """Makes the build directory: the headers, and the Rust crates that Debian does not ship."""
    say(f"Making the Rust crates of Linux {release} for the compiler (minutes); log: {log}")
    build = kdir / BUILD
    shutil.rmtree(build, ignore_errors=True)
    inside(kdir, ["sh", _PREPARE, "-j", os.cpu_count() or 2, "--source", archive,
                  "--headers", f"/usr/src/linux-headers-{release}", "--output", build, release], log,
           "making of the Rust crates")
    (build / BUILT).touch()


def _face(kdir: Path, release: str) -> None:
    """Gives the directory what a kernel's build directory has, under the same names."""
    lib = f"{_ROOT}/usr/lib/modules/{release}"
    headers = f"{_ROOT}/usr/src/linux-headers-{release}"
    for name, target in {".config": f"{headers}/.config",
                         "Module.symvers": f"{headers}/Module.symvers",
                         "modules": lib, "modules.builtin": f"{lib}/modules.builtin",
                         "arch/x86/boot/bzImage": f"{lib}/vmlinuz",
                         "rust": f"{BUILD}/rust"}.items():
        link = kdir / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        if not (kdir / target).exists():
            raise Failure(f"the packages of Linux {release} have no {target}")
        link.symlink_to("../" * name.count("/") + target)
    (kdir / "include" / "config").mkdir(parents=True, exist_ok=True)
    (kdir / "include" / "config" / "kernel.release").write_text(f"{release}\n")


def inside(kdir: Path, argv: list, log: Path, what: str) -> str:
    """Runs a command where a kernel's compilers and headers are, with this tree and the cache, and returns what it
    prints."""
    root = kdir / _ROOT
    # /usr/src itself stays: the sources of Rust's libraries are there.
    binds = [*((place, f"/{place.relative_to(root)}") for pattern in ("src/linux-*", "lib/linux-kbuild-*")
               for place in (root / "usr").glob(pattern) if not place.is_symlink()),
             (kdir, kdir), (REPO, REPO)]
    return COMPILERS.run([str(arg) for arg in argv], log, what, binds=binds, env={
        "KBUILD_BUILD_USER": "rust-virtio", "KBUILD_BUILD_HOST": "localhost", "LC_ALL": "C"})


def build_modules(kdir: Path, out: Path, arguments: list, log: Path) -> None:
    """Builds our modules for a kernel from packages into `out`, which is in this tree."""
    inside(kdir, ["make", "-C", kdir / BUILD, f"M={REPO}", f"MO={out}",
                  f"-j{os.cpu_count() or 2}", *arguments, "modules"], log, "module build")
