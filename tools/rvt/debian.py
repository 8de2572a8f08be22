# SPDX-License-Identifier: GPL-2.0
"""Debian: which release this is, its mirror, and an apt configuration of our own.

Packages of other suites (backports) are fetched through that configuration, which leaves the
machine's package sources as they are. The mirror is taken from them.
"""

import shutil
from pathlib import Path

from .paths import cache
from .proc import output, run
from .say import Failure


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
    """Returns the URIs of the main archive and of the security archive ("" if not configured).

    # Errors

    `Failure` if apt has no source of this machine's release.
    """
    codename = release()[1]
    found = _archives(codename, [])
    if not found[0]:
        # A source that says "stable" tells its release by a list, which nobody may have fetched yet.
        own_state = cache() / "apt" / "machine"
        for part in ("lists/partial", "cache/archives/partial"):
            (own_state / part).mkdir(parents=True, exist_ok=True)
        private = ["-o", f"Dir::State::Lists={own_state}/lists",
                   "-o", f"Dir::Cache={own_state}/cache", "-o", "APT::Sandbox::User=root"]
        output(["apt-get", "update", *private])
        found = _archives(codename, private)
    if not found[0]:
        raise Failure(f"apt has no package source for {codename}; add one to /etc/apt and run "
                      "this again")
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

    def update(self) -> None:
        """Fetches the package lists."""
        run(["apt-get", "update"], self.log, "apt-get update", env=self.env())

    def download(self, package: str, into: Path) -> Path:
        """Downloads one package and returns the file; what is there already is not fetched."""
        into.mkdir(parents=True, exist_ok=True)
        run(["apt-get", "download", package], self.log, f"download of {package}", cwd=into,
            env=self.env())
        name = package.split("=")[0].split("/")[0]
        found = sorted(into.glob(f"{name}_*.deb"))
        if not found:
            raise Failure(f"apt-get download {package} left no package\nLog: {self.log}")
        return found[-1]

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
