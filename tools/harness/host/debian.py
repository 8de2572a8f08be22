# SPDX-License-Identifier: GPL-2.0
"""Debian: which release this is, its mirror, and an apt configuration of our own.

Packages of other suites (backports) are fetched through that configuration, which leaves the
machine's package sources as they are. The mirror is taken from them.
"""

import os
import shutil
from pathlib import Path

from .. import lock
from ..paths import cache
from ..proc import output, run
from ..say import Failure

#: The variables by which programs know proxies.
PROXIES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")

#: Without this, apt-get calls it a success if no list could be fetched.
_STRICT = ["-o", "APT::Update::Error-Mode=any"]
#: A machine that was just started may be installing by itself.
_PATIENT = ["-o", "DPkg::Lock::Timeout=600"]


def release() -> tuple:
    """Returns `(id, codename, major version)`; an empty id on an unknown system."""
    values = {}
    try:
        for line in Path("/etc/os-release").read_text().splitlines():
            key, _, value = line.partition("=")
            values[key] = value.strip('"')
    except OSError:
        pass
    version = values.get("VERSION_ID", "0").split(".")[0]
    return values.get("ID", ""), values.get("VERSION_CODENAME", ""), int(version or 0)


def mirrors() -> tuple:
    """Returns the URIs of the main archive and of the security archive ("" if not configured). Raises `Failure` if apt
    has no source of this machine's release."""
    codename = release()[1]
    found = _archives(codename, [])
    if not found[0]:
        # A source that says "stable" tells its release by a list, which nobody may have fetched yet.
        own_state = cache() / "apt" / "machine"
        for part in ("lists/partial", "cache/archives/partial"):
            (own_state / part).mkdir(parents=True, exist_ok=True)
        private = ["-o", f"Dir::State::Lists={own_state}/lists",
                   "-o", f"Dir::Cache={own_state}/cache", "-o", "APT::Sandbox::User=root"]
        fetched = output(["apt-get", "update", *_STRICT, *private, "--quiet=0"])
        found = _archives(codename, private)
        if not found[0] and not fetched:
            raise Failure("apt has no package lists, and they cannot be fetched: is there a "
                          "network? (apt-get update says more)")
    if not found[0]:
        raise Failure(f"apt has no package source for {codename}; add one to /etc/apt and run this again")
    return found


def _archives(codename: str, options: list) -> tuple:
    """Returns what apt's own sources say about a release, by name or by what the lists say."""
    main = security = ""
    listing = output(["apt-get", "indextargets", *options, "--format",
                      "$(CREATED_BY)|$(RELEASE)|$(CODENAME)|$(SUITE)|$(REPO_URI)|$(COMPONENT)"])
    for line in listing.splitlines():
        kind, *names, uri, component = line.split("|")
        if kind != "Packages" or component != "main":
            continue
        if codename in names:
            main = main or uri
        if f"{codename}-security" in names:
            security = security or uri
    return main, security


class Apt:
    """An apt configuration with its own sources, in the cache."""

    def __init__(self, name: str, suites: list, log: Path):
        """`suites` is a list of suite names; those ending in -security use that archive."""
        self.uris = mirrors()
        self.top = cache() / "apt" / name
        self.log = log
        self.suites = suites
        for part in ("lists/partial", "cache/archives/partial"):
            (self.top / part).mkdir(parents=True, exist_ok=True)
        (self.top / "sources.list").write_text("\n".join(self.source_lines()) + "\n")
        self.conf = self.top / "apt.conf"
        self.conf.write_text(
            f'Dir::Etc::sourcelist "{self.top}/sources.list";\n'
            'Dir::Etc::sourceparts "-";\n'
            'Dir::Etc::preferencesparts "-";\n'
            f'Dir::State::Lists "{self.top}/lists";\n'
            f'Dir::Cache "{self.top}/cache";\n'
            'APT::Get::List-Cleanup "true";\n'
            'APT::Sandbox::User "root";\n'
            'Acquire::Retries "3";\n')

    def source_lines(self) -> list:
        """Returns the lines of the sources file."""
        main, security = self.uris
        keyring = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
        signed = f"[signed-by={keyring}] " if keyring.exists() else ""
        lines = []
        for suite in self.suites:
            uri = security if suite.endswith("-security") else main
            if uri:
                lines.append(f"deb {signed}{uri} {suite} main")
        return lines

    def env(self) -> dict:
        """Returns the environment that makes apt use this configuration."""
        return {"APT_CONFIG": str(self.conf)}

    def command(self) -> list:
        """Returns the beginning of a command line of apt-get that sudo leaves as it is: sudo takes
        the names of proxies away."""
        proxies = [f"{name}={os.environ[name]}" for name in PROXIES if os.environ.get(name)]
        return ["env", *(f"{name}={value}" for name, value in self.env().items()), *proxies,
                "DEBIAN_FRONTEND=noninteractive", "apt-get", *_PATIENT]

    def update(self, as_root=()) -> None:
        """Fetches the package lists. `as_root` is what makes a command run as root, if it has to. Raises `Failure` if
        one of them cannot be fetched."""
        try:
            with lock.only_one(self.top / "lists"):
                run([*as_root, *self.command(), "update", *_STRICT], self.log, "apt-get update")
        except Failure as failure:
            raise Failure(f"the package lists of {self.uris[0]} cannot be fetched: is there a network?\n{failure}")

    def download(self, package: str, into: Path) -> Path:
        """Downloads one package and returns the file, which is whole: it is elsewhere until then. What is there already
        is not fetched. Raises `Failure` if it cannot be fetched. What has come of it is kept, and the next run goes on
        there."""
        names = []
        # Of the form: 'URI' name size hash
        for line in output(["apt-get", "download", "--print-uris", package], env=self.env()).splitlines():
            _, name, size, _ = line.split()
            there = into / name
            if there.exists() and there.stat().st_size == int(size):
                return there
            names.append(name)
        partial = into / "partial"
        partial.mkdir(parents=True, exist_ok=True)
        run(["apt-get", "download", package], self.log, f"download of {package}", cwd=partial, env=self.env())
        found = [name for name in names if (partial / name).exists()]
        if not found:
            raise Failure(f"apt-get download {package} left no package\nLog: {self.log}")
        return (partial / found[0]).replace(into / found[0])

    def candidate(self, package: str) -> str:
        """Returns the version that would be installed, "" if there is none."""
        for line in output(["apt-cache", "policy", package], env=self.env()).splitlines():
            if "Candidate:" in line:
                version = line.split(":", 1)[1].strip()
                return "" if version == "(none)" else version
        return ""


def is_debian() -> bool:
    """Returns whether packages can be installed here by setup."""
    return release()[0] == "debian" and release()[2] in (12, 13) and bool(shutil.which("apt-get"))
