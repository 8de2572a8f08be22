# SPDX-License-Identifier: GPL-2.0
"""Requests by netlink at random, made from the kernel's specifications."""

import random

#: Numbers that are limits somewhere, and those next to them.
_NUMBERS = [0, 1, 2, 3, 4, 5, 8, 10, 16, 63, 64, 65, 100, 128, 255, 256, 257, 512, 1000, 1024, 1500, 4096, 65535,
            (1 << 31) - 1, 1 << 31, (1 << 32) - 1]
_WIDTHS = {"u8": (0, 8), "s8": (1, 8), "u16": (0, 16), "s16": (1, 16), "u32": (0, 32), "s32": (1, 32), "u64": (0, 64),
           "s64": (1, 64), "uint": (0, 64), "sint": (1, 64)}

#: Numbers by the name of the attribute, instead of those.
_BY_NAME = {
    "mtu": [0, 60, 67, 68, 575, 1280, 1499, 1500, 1501, 3000, 4000, 8999, 9000, 9001, 65535, 65536, (1 << 32) - 1],
    "speed": [0, 10, 77, 100, 1000, 10000, 100000, (1 << 31) - 1, (1 << 32) - 1],
    "queue-id": [0, 1, 2, 3, 4, 7], "combined-count": [0, 1, 1, 2, 2, 3, 4, 4, 5, 8],
    "rx": [0, 1, 2, 63, 64, 65, 100, 128, 255, 256, 257, 512, 1024], "tx": [0, 1, 2, 64, 100, 128, 256, 512, 1024],
    "txqlen": [0, 1, 64, 1000, (1 << 31)], "context": [0, 1, 2, (1 << 32) - 1], "hfunc": [0, 1, 2, 3, 4],
    "rx-max-frames": [0, 1, 2, 64, 256], "tx-max-frames": [0, 1, 2, 64, 256], "rx-usecs": [0, 1, 8, 64],
    "tx-usecs": [0, 1, 8, 64], "use-adaptive-rx": [0, 1, 1, 2], "use-adaptive-tx": [0, 1],
    "defer-hard-irqs": [0, 1, 2, 100], "gro-flush-timeout": [0, 1000, 100000], "irq-suspend-timeout": [0, 1000, 100000],
    "threaded": [0, 1, 2], "group": [0, 1], "master": [0, 12345], "linkmode": [0, 1], "operstate": [0, 5, 6],
    "num-tx-queues": [1, 4], "num-rx-queues": [1, 4],
}
_STRINGS = ["", "a", "no-such-thing", "x" * 15, "x" * 40, "\x7f"]
#: Bits with names, but for the features.
_BIT_NAMES = ["10baseT/Half", "1000baseT/Full", "10000baseT/Full", "Autoneg", "TP", "magic", "phy", "drv", "probe",
              "link", "hardware-transmit", "software-receive", "none", "all", "no-such-bit"]
_ADDRESSES = ["525400000077", "010000000001", "000000000000", "ffffffffffff", "5254000000", "52540000007788", ""]
#: Of an interface's flags: up, promiscuous, all multicasts, no ARP, debug, multicast.
_FLAGS = [0x1, 0x100, 0x200, 0x80, 0x4, 0x1000]

#: What would take an interface away, or name it anew, or is about other interfaces.
_NEVER = {"ifname", "net-ns-pid", "net-ns-fd", "target-netnsid", "new-netnsid", "link-netnsid", "linkinfo",
          "new-ifindex", "alt-ifname", "unspec", "pad"}

#: How often an operation comes, if not once.
_OFTEN = {"features-set": 6, "rings-set": 6, "channels-set": 5, "coalesce-set": 6, "rss-set": 6, "setlink": 16,
          "linkinfo-set": 2, "linkmodes-set": 3, "napi-set": 3, "newlink": 3, "rss-create-act": 2}
#: Those that take an interface away or only wait for hardware.
_SKIPPED = {"dellink", "page-pool-get", "page-pool-stats-get"}
#: Attributes that are made more often than others of the same operation: those that a driver sees.
_LIKELY = {"mtu", "address", "xdp", "txqlen", "wanted", "gso-max-size", "indir", "hkey", "rx-max-frames",
           "tx-max-frames"}
#: Attributes without which an operation is always refused: they are there more often than not.
_NEEDED = {"queue-get": ("id", "type"), "stats-get": ("groups",), "rss-delete-act": ("context",), "napi-set": ("id",),
           "rss-create-act": ("indir",), "tsconfig-set": ("tx-types", "rx-filters"), "strset-get": ("stringsets",)}
_DEPTH = 5


class Requests:
    """A series of requests, the same for the same seed. `families` has name -> what pyynl makes of a specification."""

    def __init__(self, seed: int, families: dict, features: list, programs: list):
        self._random = random.Random(seed)
        self._families, self._features, self._programs = families, features, programs
        self._ops = []
        for name, family in families.items():
            for op in family.ops.values():
                if "do" in op and "request" in op["do"] and op.name not in _SKIPPED:
                    self._ops += [(name, op)] * _OFTEN.get(op.name, 1)

    def names(self) -> list:
        """Returns family and name of each operation, once."""
        return list(dict.fromkeys((name, op.name) for name, op in self._ops))

    def next(self) -> tuple:
        """Returns family, operation and attributes of a request, without the interface that it is for."""
        family, op = self._random.choice(self._ops)
        attributes = op["do"]["request"].get("attributes", [])
        usable = [name for name in attributes if name not in _NEVER and name not in ("header", "ifindex")]
        count = min(len(usable), self._random.choice([0, 1, 1, 1, 1, 2, 2, 3, 5]))
        values = {}
        chosen = self._random.sample(usable, count)
        likely = [name for name in usable if name in _LIKELY]
        if likely and self._random.random() < 0.6:
            chosen = [self._random.choice(likely), *chosen[2:]]
        if self._random.random() < 0.8:
            chosen += _NEEDED.get(op.name, ())
        for name in dict.fromkeys(chosen):
            attribute = self._families[family].attr_sets[op.attr_set.name][name]
            made = self._value(family, attribute, 0)
            if made is not None:
                values[name] = made
        if "header" in attributes and self._random.random() < 0.2:
            values["header"] = {"flags": self._random.choice([1, 2, 4, 8, 1 << 31])}
        if op.fixed_header == "ifinfomsg" and self._random.random() < 0.3:
            flag = self._random.choice(_FLAGS)
            values |= {"ifi-flags": self._random.choice([0, flag, flag]), "ifi-change": flag}
        return family, op.name, values

    def _value(self, family: str, attribute, depth: int):
        """Returns a value for an attribute, None if there is none that can be made."""
        choose, kind, name = self._random.choice, attribute.type, attribute.name
        if name == "xdp":
            return {"fd": choose([-1, -1, *self._programs, *self._programs, 999]),
                    "flags": choose([0, 0, 1, 2, 4, 4, 8, 6, 32])}
        if kind == "flag":
            return True
        if kind in _WIDTHS:
            return self._number(family, attribute)
        if kind == "string":
            return choose([*_STRINGS, *self._features, *_BIT_NAMES]) if name == "name" else choose(_STRINGS)
        if kind == "binary":
            return self._binary(attribute)
        if kind == "bitfield32":
            return {"value": choose(_NUMBERS), "selector": choose(_NUMBERS)}
        if kind == "nest" and depth < _DEPTH:
            return self._nest(family, attribute, depth)
        if kind == "indexed-array" and attribute["sub-type"] == "nest" and depth < _DEPTH:
            return [self._nest(family, attribute, depth) for _ in range(choose([0, 1, 2]))]
        return None

    def _nest(self, family: str, attribute, depth: int) -> dict:
        """Returns the attributes in an attribute. A set of bits is more often a valid one than not."""
        space = self._families[family].attr_sets[attribute["nested-attributes"]]
        if space.name == "bitset" and self._random.random() < 0.8:
            names = self._random.sample(self._features, self._random.choice([1, 1, 2, 3])) \
                if attribute.name == "wanted" and self._random.random() < 0.9 else [self._random.choice(_BIT_NAMES)]
            bits = [{"name": name, **({"value": True} if self._random.random() < 0.5 else {})} for name in names]
            return {**({"nomask": True} if self._random.random() < 0.1 else {}), "bits": {"bit": bits}}
        usable = [one for one in space.attrs if one not in _NEVER and space[one].type != "unused"]
        nested = {}
        for one in self._random.sample(usable, min(len(usable), self._random.choice([0, 1, 1, 2, 3]))):
            made = self._value(family, space[one], depth + 1)
            if made is not None:
                nested[one] = [made] if space[one].is_multi else made
        return nested

    def _number(self, family: str, attribute) -> int:
        signed, bits = _WIDTHS[attribute.type]
        numbers = _BY_NAME.get(attribute.name, _NUMBERS)
        if "enum" in attribute and self._random.random() < 0.7:
            numbers = list(self._families[family].consts[attribute["enum"]].entries_by_val) or numbers
        number = self._random.choice(numbers)
        if signed and self._random.random() < 0.2:
            number = -number
        low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
        return max(low, min(high, number))

    def _binary(self, attribute) -> bytes:
        choose = self._random.choice
        if attribute.name in ("address", "broadcast"):
            return bytes.fromhex(choose(_ADDRESSES))
        if attribute.name == "indir":
            queues = choose([1, 1, 2, 3, 4, 9])
            entries = choose([0, 1, 2, 16, 64, 128, 128, 128, 129])
            return b"".join((index % queues).to_bytes(4, "little") for index in range(entries))
        if attribute.name == "hkey":
            return self._random.randbytes(choose([0, 16, 40, 40, 40, 41, 52]))
        return self._random.randbytes(choose([0, 1, 4, 8, attribute.len if isinstance(attribute.len, int) else 6, 64]))
