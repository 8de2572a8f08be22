# SPDX-License-Identifier: GPL-2.0
"""HTML as trees, so that whatever a cell says is escaped and every tag is closed."""

import io
import re
import xml.etree.ElementTree as ET

_SVG = "{http://www.w3.org/2000/svg}"
_XLINK = "{http://www.w3.org/1999/xlink}"


def el(tag: str, *children, **attributes) -> ET.Element:
    """Returns an element; children are elements, texts or None. `cls` is the class."""
    names = {"cls": "class"}
    element = ET.Element(tag, {names.get(name, name.replace("_", "-")): str(value)
                               for name, value in attributes.items() if value is not None})
    for child in children:
        append(element, child)
    return element


def append(element: ET.Element, child) -> None:
    """Adds a child element or text to an element."""
    if child is None:
        return
    if isinstance(child, ET.Element):
        element.append(child)
    elif len(element):
        element[-1].tail = (element[-1].tail or "") + str(child)
    else:
        element.text = (element.text or "") + str(child)


def page(root: ET.Element) -> str:
    """Returns a whole HTML file."""
    out = io.StringIO()
    ET.ElementTree(root).write(out, encoding="unicode", method="html")
    return "<!DOCTYPE html>\n" + out.getvalue() + "\n"


def table(head: list, rows: list, *, cls: str = None, caption: str = None) -> ET.Element:
    """Returns a table that scrolls by itself where it is too wide.

    `head` and the members of `rows` are lists of texts, elements to put into a cell, or ready th
    and td elements. The first one of each row names it.
    """
    top = el("tr", *[_cell("th", item, scope="col") for item in head])
    body = el("tbody", *[el("tr", *[_cell("td" if i else "th", item, scope=None if i else "row")
                                    for i, item in enumerate(row)]) for row in rows])
    made = el("table", el("caption", caption) if caption else None, el("thead", top), body, cls=cls)
    return el("div", made, cls="scroll")


def _cell(tag: str, item, **attributes) -> ET.Element:
    if isinstance(item, ET.Element) and item.tag in ("th", "td"):
        return item
    return el(tag, item, **attributes)


def details(title: str, *children) -> ET.Element:
    """Returns something folded."""
    return el("details", el("summary", title), *children)


def svg(text: str, name: str, label: str) -> ET.Element:
    """Returns an SVG file as an element that can stand beside others in one page.

    Ids that nothing refers to go, the others get `name` as a prefix. Namespaces and metadata go, as
    they mean nothing inside HTML, and style sheets, which would be those of the whole page. `label`
    is what a reader who cannot see it gets.
    """
    root = ET.fromstring(re.sub(r"<!DOCTYPE[^>]*>", "", text))
    for parent in root.iter():
        for child in [c for c in parent if c.tag.removeprefix(_SVG) in ("metadata", "style")]:
            parent.remove(child)
    used = set(re.findall(r"url\(#([^)]+)\)", text)) | set(re.findall(r'href="#([^"]+)"', text))
    for element in root.iter():
        element.tag = element.tag.removeprefix(_SVG)
        for key, value in list(element.attrib.items()):
            del element.attrib[key]
            if key == "id" and value not in used:
                continue
            value = f"{name}-{value}" if key == "id" else value.replace("url(#", f"url(#{name}-")
            if key == f"{_XLINK}href":
                key, value = "href", value.replace("#", f"#{name}-", 1)
            if not key.startswith("{"):
                element.set(key, value)
    natural = re.match(r"[\d.]+", root.get("width", ""))
    for key in ("width", "height", "version"):
        root.attrib.pop(key, None)
    root.set("role", "img")
    root.set("aria-label", label)
    if natural:
        root.set("style", f"max-width:{1.6 * float(natural.group()):.0f}px")
    return root
