# SPDX-License-Identifier: GPL-2.0
"""The page's first section: what it all comes down to, whoever it speaks for."""

from . import fields, judge, ratio, summary, tables
from .markup import details, el

#: As many findings of a kind are shown unfolded.
_SHOWN = 7


def section(view) -> list:
    """Returns the summary."""
    made = []
    if not view.baseline and not all(case.alone for case in view.cases):
        made.append(el("p", "Nothing was measured on the baseline, so nothing can be held against "
                       "it.", cls="warn"))
    main = view.headlines(view.of(summary.COST[0]))
    if main:
        made += [el("p", "Guest instructions in driver, ring and transport for one operation, the "
                    "figure to steer by:"), fields.values(view, main, short=True, bare=True)]
    for who in summary.rivals(view):
        made += _rival(view, who)
    alone = summary.alone(view)
    if alone:
        made += [el("h3", "Ring code alone, on the host"),
                 el("ul", *[el("li", line) for line in alone])]
    return made + _gaps(view.report) + [
        el("p", "No absolute time is compared across runs. Counts (instructions, kicks, "
           "interrupts, bytes) repeat and are compared as they are; times and rates only as "
           "ratios to the baseline in the same rounds, and a difference is called only if the "
           f"rounds agree on it with 95 %. {_chance(view)}", cls="note")]


def _rival(view, who) -> list:
    """Returns how someone compares with the baseline: both sides in the same words and size."""
    found = summary.findings(view, who)
    kinds = summary.by_verdict(found)
    sentence, configurations = summary.headline(view, who), summary.matrix(view, who)
    made = [el("h3", summary.score(who, found)),
            el("p", sentence) if sentence else None,
            el("ul", *[el("li", line) for line in configurations]) if configurations else None,
            el("div", _card(view, f"Where {who.label} is better", kinds[ratio.FASTER], "better"),
               _card(view, f"Where {view.baseline.label} is better", kinds[ratio.SLOWER], "worse"),
               cls="cards")]
    return made + [details(f"{title}: {len(kinds[verdict])}", _list(view, kinds[verdict]))
                   for title, verdict in (("Too wide to call", ratio.WIDE_SPREAD),
                                          ("No difference", ratio.SAME)) if kinds[verdict]]


def _card(view, title: str, found: list, kind: str):
    body = [_list(view, found[:_SHOWN]) if found else el("p", "Nowhere.")]
    if found[_SHOWN:]:
        body.append(details(f"{len(found) - _SHOWN} more", _list(view, found[_SHOWN:])))
    return el("div", el("h3", f"{title} ({len(found)})"), *body, cls=f"card {kind}")


def _list(view, found: list):
    return el("ul", *[el("li", one.text(view.baseline)) for one in found])


def _chance(view) -> str:
    """Returns how many of the differences to expect from chance alone."""
    count = sum(judge.judge(case, who) is not None for case in tables.rated(view)
                for who in view.everyone)
    return f"So about {count * (1 - ratio.SURE):.0f} of the {count} rates and times would be " \
           "called even if there were no difference at all." if count else ""


def _gaps(report) -> list:
    """Returns what could not be had, by reason, the most frequent ones."""
    gaps = summary.missing(report)
    if not gaps:
        return []
    lines = [f"{whats[0] if len(whats) == 1 else f'{len(whats)} figures or parts'}: {why}"
             for why, whats in sorted(gaps.items(), key=lambda item: -len(item[1]))]
    more = [f"{len(lines) - _SHOWN} more reasons"] if len(lines) > _SHOWN else []
    return [el("h3", "What could not be measured"),
            el("ul", *[el("li", line) for line in lines[:_SHOWN] + more]),
            el("p", el("a", "All of it", href="#missing"))]
