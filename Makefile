# SPDX-License-Identifier: GPL-2.0
#
# What a user types. The rules that build the modules are in Kbuild, so that
# `make -C $KDIR M=$PWD modules` works without any of this.

# Given on the command line or in the environment, most of them read by tools/harness.py. A child gets those that
# have a value: cargo, for one, takes an empty RUSTC= for the name of a compiler.
VARIABLES := KDIR KSRC KERNEL KUNIT T FAMILY VARIANT V MODULE_ARGS RUSTC RUSTDOC BINDGEN RUST_VIRTIO_CACHE \
	LEGS STACKS BASE KEEP RING LAYOUT DEST BRANCH PYTHON CMD DEB_VERSION ROUNDS ONLY
$(foreach v,$(VARIABLES),$(eval $(if $(strip $($(v))),export,unexport) $(v)))

# The system's Python: the one whose libraries packages bring.
python	:= $(or $(strip $(PYTHON)),$(firstword $(wildcard /usr/bin/python3) python3))
HARNESS	:= $(python) $(CURDIR)/tools/harness.py

# One target at a time: each is parallel inside.
.NOTPARALLEL:
.PHONY: help python check quick clippy format rust-analyzer setup kernel modules in-tree hosttest kunit selftest parity test test-fresh test-stock
.PHONY: test-long demo docs bench bench-quick shell deb clean
.DEFAULT_GOAL := help

help:
	@echo "Targets"
	@echo "  check      a minute, without a kernel: layout, language, scripts, links, tables, clippy"
	@echo "  quick      minutes: check, unit tests, the ring core, the modules against the kernel of the cache"
	@echo "  test       check, and all the tests below; CI runs this"
	@echo "  test-fresh set up bare Debian 12 and 13 roots from nothing (part of make test)"
	@echo "  test-long  tests that take hours: LEGS=names to choose, LEGS=list to see them"
	@echo "  hosttest   run the tests of the ring core on the host, without a kernel (cargo)"
	@echo "  kunit      run the KUnit suites in a guest"
	@echo "  selftest   run the guest selftests (T=name, subject or glob to choose)"
	@echo "  test-stock test the package in a Debian guest with Debian's own kernel (out/test-stock.json)"
	@echo "  parity     compare docs/parity-tests.md with the results of the last make test"
	@echo "  demo       do the same work on the C and on the Rust drivers, and compare"
	@echo "  bench      measure the cost of the drivers, Rust against C: out/bench.html (bench-quick: the"
	@echo "             main figures in minutes)"
	@echo "  shell      boot a guest and run CMD in it (more: tools/README.md)"
	@echo "  modules    build the modules into out/modules (KUNIT=1: with their suites)"
	@echo "  deb        build the Debian package with the modules for DKMS into out/deb"
	@echo "  kernel     build the guest kernel"
	@echo "  in-tree    put the drivers and the ring into a kernel tree: a branch of the git tree KSRC=,"
	@echo "             or a copy of it at DEST= (docs/in-tree.md)"
	@echo "  rust-analyzer  write rust-project.json, with which editors find definitions"
	@echo "  clippy     check the modules with clippy and the lints of the kernel (part of test, not of check)"
	@echo "  format     format Rust and Python code"
	@echo "  docs       make the generated pictures and tables of docs/"
	@echo "  setup      check the machine and install what is missing"
	@echo "  clean      remove out/ (not the cache, which other trees share)"
	@echo
	@echo "Variables"
	@echo "  KDIR=dir   a built kernel to use (7.3 or later, CONFIG_RUST=y)"
	@echo "  KERNEL=debian  Debian 13's own kernel from trixie-backports, as it is; also debian-cloud, debian-rt"
	@echo "  KSRC=dir   a kernel source tree to build instead of the fetched one"
	@echo "  DEST=dir, BRANCH=name  where in-tree puts its result"
	@echo "  T=names    the selftests to run"
	@echo "  FAMILY=c   run the selftests with the C drivers, to compare"
	@echo "  RING=c     use the C ring (virtio_ring.ko) in place of the Rust ring (rust_virtio_ring.ko)"
	@echo "  LAYOUT=l   layout of all rings in the selftests: split, packed, in-order, packed-in-order"
	@echo "  VARIANT=debug  use the kernel with the memory and locking checkers"
	@echo "  ROUNDS=n   how often the selftests under load disturb a device (100), as in T=blk/recover-load"
	@echo "  ONLY=names the kernel's own tests that T=upstream/net runs, as in ONLY='ping.py hw/csum.py'"
	@echo "  V=1        print the output of the selftests as it comes"
	@echo "  CMD='...'  the command line that make shell runs"
	@echo "  MODULE_ARGS='...'  more arguments for Kbuild, e.g. CONFIG_RUST_VIRTIO_NET=n"
	@echo "  BASE=file  an older bench.json to compare with"
	@echo "  LEGS=, STACKS=  parts of the benchmark; drivers and rings to compare (tools/bench/README.md)"
	@echo "  KEEP=1     add to the figures of the last bench instead of starting anew"
	@echo "  RUSTC=, RUSTDOC=, BINDGEN=  compilers to use instead of those found"
	@echo "  PYTHON=    the Python that runs the harness (3.9 or later)"
	@echo "  RUST_VIRTIO_CACHE=dir  where sources, kernels and images are kept"

# Set-up itself is in Python.
python:
	@$(CURDIR)/tools/host/python.sh $(python)

# Installs what it needs by itself: less than setup does.
check: python
	@$(HARNESS) check

quick: setup
	@$(HARNESS) quick

clippy: setup
	@$(HARNESS) clippy

rust-analyzer: setup
	@$(HARNESS) rust-analyzer

format: python
	@$(HARNESS) check --format

setup: python
	@$(HARNESS) setup

kernel: setup
	@$(HARNESS) kernel

modules: setup
	@$(HARNESS) modules

deb: python
	@$(HARNESS) deb $(if $(strip $(DEB_VERSION)),--version '$(DEB_VERSION)')

in-tree: python
	@$(HARNESS) in-tree

hosttest: python
	@$(HARNESS) hosttest

kunit: setup
	@$(HARNESS) kunit

selftest: setup
	@$(HARNESS) selftest

parity: python
	@$(HARNESS) parity

test: setup
	@$(HARNESS) test

test-fresh: setup
	@$(HARNESS) test-fresh

test-long: setup
	@$(HARNESS) test-long

# Of the package that `make deb` leaves in out/deb.
test-stock: setup deb
	@$(HARNESS) test-stock

docs: python
	@$(HARNESS) docs

demo: setup
	@$(HARNESS) demo

bench: setup
	@$(HARNESS) bench

bench-quick: setup
	@$(HARNESS) bench --quick

shell: setup
	@$(HARNESS) shell $(if $(strip $(FAMILY)),--family $(FAMILY)) $(if $(strip $(CMD)),--run '$(CMD)')

clean:
	rm -rf out
