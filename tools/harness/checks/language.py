# SPDX-License-Identifier: GPL-2.0
"""Plain English in comments and documents, as far as a script can tell: see CONTRIBUTING.md for the rules.

It knows a few patterns, and each is one kind of finding. Where it finds nothing, a comment can still be
hard to read.
"""

import dataclasses
import re

#: The longest line of a comment, in columns.
COLUMNS = 100

#: Kind -> what to do about a finding of it.
KINDS = {
    "question": "a doc line begins with What, Where, How or Who: make it a noun phrase, or \"Returns ...\"",
    "long": f"a comment line has more than {COLUMNS} columns: wrap it",
    "safety": "a SAFETY comment only refers to something: say what holds, and why",
    "pronoun": "the first sentence of a doc comment has only a pronoun: name the thing",
    "vague": "nobody, somebody, meanwhile or any more: name the thread, the thing, the time; write \"no longer\"",
    "who": "a \"who\" without a noun: say which thread, caller, reader",
}


@dataclasses.dataclass
class Comment:
    """Lines of a comment that belong together."""

    #: "///", "//!", or "//" and "/*" for what is no documentation.
    mark: str
    #: Number of the first line, from 1.
    line: int
    texts: list

    def is_doc(self) -> bool:
        """Returns whether rustdoc shows the comment."""
        return self.mark in ("///", "//!")


_LINE = re.compile(r"^\s*(//[/!]?)(?!/)(?: (.*))?$")
_C_FIRST = re.compile(r"^\s*/\*+ ?(.*?)(?:\*/)?\s*$")
_C_NEXT = re.compile(r"^\s*\* ?(.*?)(?:\*/)?\s*$")


def comments(text: str) -> list:
    """Returns the comments of a file in Rust or C that have lines of their own."""
    found, in_c = [], False
    for number, line in enumerate(text.split("\n"), 1):
        rust = None if in_c else _LINE.match(line)
        if rust:
            last = found[-1] if found else None
            if not last or last.mark != rust[1] or last.line + len(last.texts) != number:
                found.append(Comment(rust[1], number, []))
            found[-1].texts.append((rust[2] or "").rstrip())
            continue
        c = (_C_NEXT if in_c else _C_FIRST).match(line)
        if c and not in_c:
            found.append(Comment("/*", number, []))
        if c:
            found[-1].texts.append(c[1])
        in_c = bool(c or in_c) and "*/" not in line
    return found


def findings(text: str) -> list:
    """Returns `(line, kind)` for each finding in a file in Rust or C, in order."""
    found = [(number, "long") for number, line in enumerate(text.split("\n"), 1)
             if re.match(r"\s*(//|/?\*)", line) and len(line.expandtabs(8)) > COLUMNS]
    for comment in comments(text):
        found += _who(comment)
        found += [(comment.line + i, "vague") for i, text in enumerate(_without_code(comment.texts))
                  for _ in _VAGUE.finditer(_without_names(text))]
        if comment.is_doc():
            found += _questions(comment)
            if _is_pronoun(_first_sentence(comment)):
                found.append((comment.line, "pronoun"))
        elif comment.mark == "//":
            found += [(line, "safety") for line, reason in _safety(comment) if _only_refers(reason)]
    return sorted(found)


#: Words that leave open whom or which time a sentence is about.
_VAGUE = re.compile(r"\b(?:nobody|somebody|no one|someone|meanwhile|any ?more)\b", re.I)


def document_findings(text: str) -> list:
    """Returns `(line, kind)` for each finding in a document in Markdown, in order.

    Code is left out, and with it the names of tests.
    """
    lines = [_without_names(line) for line in _without_code(text.split("\n"))]
    # A table has no sentences that go on in the next line.
    found = [finding for number, line in enumerate(lines, 1) if line.startswith("|")
             for cell in line.split("|") for finding in _who(Comment("", number, [cell.strip()]))]
    found += _who(Comment("", 1, ["" if line.startswith("|") else line for line in lines]))
    found += [(number, "vague") for number, line in enumerate(lines, 1) for _ in _VAGUE.finditer(line)]
    return sorted(found)


_QUESTION = re.compile(r"(?:[*-] |\d+\. )?(?:What|Where|How|Who)\b(?!')")


def _questions(comment: Comment) -> list:
    return [(comment.line + i, "question") for i, text in enumerate(_without_code(comment.texts))
            if _QUESTION.match(text.lstrip())]


def _without_code(texts: list) -> list:
    """Returns lines of which those in fences are empty."""
    out, fenced = [], False
    for text in texts:
        fence = text.lstrip().startswith("```")
        out.append("" if fence or fenced else text)
        fenced ^= fence
    return out


def _without_names(line: str) -> str:
    return re.sub(r"`[^`]*`", "x", line)


#: Before it there is no noun that "who" could mean.
_HEADLESS = re.compile(
    r"(?:^|[.:;,(] |\b(?:for|to|by|of|from|with|at|on|than|as|is|are|and|or|but|if|all|while|until|says?|"
    r"knows?|asks?) )who\b", re.I)


def _who(comment: Comment) -> list:
    """Returns a finding for each "who" without a noun, also one that a line separates from its word."""
    found, before = [], ""
    for i, text in enumerate(_without_code(comment.texts)):
        words = text.strip()
        # A line that goes on with a sentence is no beginning of one.
        joined = f"{before} {words}" if before and words else words
        start = len(joined) - len(words)
        found += [(comment.line + i, "who") for hit in _HEADLESS.finditer(joined)
                  if hit.end() > start]
        before = words.rsplit(" ", 1)[-1]
    return found


def _first_sentence(comment: Comment) -> str:
    """Returns the first sentence of a comment, without its full stop."""
    lines = []
    for text in comment.texts:
        if not text.strip() or text.lstrip().startswith(("#", "|", "```", "- ", "* ")):
            if lines:
                break
            continue
        lines.append(text.strip())
    return re.split(r"(?<=[^.])\.(?= |$)(?! [a-z])", " ".join(lines), maxsplit=1)[0]


_AUXILIARY = ("is|are|was|were|has|have|had|does|do|did|can|cannot|could|may|might|must|will|would|shall|"
              "should|need|needs")
_PRONOUN_SUBJECT = re.compile(
    r"(?:It|They|He|She)\b(?!')"
    rf"|(?:This|That|These|Those|Both|None|Neither|All|One) (?:{_AUXILIARY})\b"
    # "This takes": a verb, and not "This class", "This bus", "This driver's".
    r"|(?:This|That) [a-z]+[^siu'\W]s\b(?!')"
    r"|Its (?:\w+ )?\w+$|Their (?:\w+ )?\w+$")
#: "Ends that", "Takes it back": nothing in the sentence says what it is about.
_PRONOUN_OBJECT = re.compile(
    r"[A-Z][a-z]+s (?:it|that|them|this|those|these|one|both|all of (?:it|them|that))"
    r"(?: (?:all|again|anew|away|back|down|here|now|off|on|out|then|there|too|up))*$")


def _is_pronoun(sentence: str) -> bool:
    """Returns whether a sentence has only a pronoun where the thing should be named."""
    return bool(_PRONOUN_SUBJECT.match(sentence) or _PRONOUN_OBJECT.match(sentence))


def _safety(comment: Comment) -> list:
    """Returns `(line, text)` of each SAFETY comment in a comment."""
    found = []
    for i, text in enumerate(comment.texts):
        begin = re.match(r"SAFETY: ?(.*)$", text)
        if begin:
            found.append((comment.line + i, begin[1]))
        elif found:
            found[-1] = (found[-1][0], f"{found[-1][1]} {text.strip()}")
    return found


_SOURCE = (r"(?:the )?(?:caller's )?(?:function's |method's |type's |trait's )?(?:type |struct |trait )?"
           r"(?:safety )?(?:requirements?|invariants?|documentation|contract|preconditions?|promises?)"
           r"(?: of (?:the |this |that )?(?:function|method|type|trait|caller|call|`[^`]+`))?")
_REFERENCE = re.compile(
    rf"(?:(?:by|see|as per|per|follows from|guaranteed by|promised by) )?{_SOURCE}(?:,? (?:and|or) (?:by )?{_SOURCE})*"
    r"|(?:as|see|same as|like|the same as) (?:above|before|below|there|here)"
    r"|(?:as|see|same as|like) (?:in|for) `[^`]+`"
    r"|as promised by the caller|as the caller promises|the caller promises (?:so|that|it|this)"
    r"|c says (?:the same|so|that|it|that all this is as it should be)"
    r"|ditto|as said(?: above)?", re.I)


def _only_refers(reason: str) -> bool:
    """Returns whether a SAFETY comment consists of references, and says nothing itself."""
    parts = [part.strip() for part in re.split(r"[.;](?: |$)", reason) if part.strip()]
    return all(_REFERENCE.fullmatch(part) for part in parts)
