"""Cleans an SVG image: what is left draws shapes and text, runs nothing, and points nowhere outside of itself."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from xml.etree import ElementTree

import tinycss2  # type: ignore[import-untyped]

SVG = "{http://www.w3.org/2000/svg}"
XLINK_HREF = "{http://www.w3.org/1999/xlink}href"
SHAPES = {"path", "rect", "circle", "ellipse", "line", "polyline", "polygon", "text", "tspan", "textPath"}
GROUPS = {"svg", "g", "defs", "symbol", "use", "clipPath", "mask", "pattern", "marker"}
PAINT = {"linearGradient", "radialGradient", "stop", "style"}
DRAWN = SHAPES | GROUPS | PAINT
PLACES_OF_PICTURES = {"x", "y", "width", "height", "preserveAspectRatio", "transform", "opacity", "id", "class"}
# Says something about the image and draws nothing: left out without a word.
SILENT = frozenset({"title", "desc", "metadata"})
MAX_ELEMENTS = 20_000
MAX_DEPTH = 60
OUTSIDE_URL = re.compile(r"url\(\s*['\"]?\s*(?!#)", re.IGNORECASE)


def clean_svg(content: bytes, keep: Callable[[str], str] = lambda _address: "") -> tuple[bytes, str, tuple[str, ...]]:
    """Return the cleaned image, a fault with what to do about it (or an empty text), and what was left out.

    `keep` is asked for each picture whose content stands in its address, and returns the address that it has from now
    on, or an empty text where it is left out.
    """
    if b"<!ENTITY" in content.replace(b"\0", b""):
        return b"", "declares XML entities. Save it again as plain SVG, without a document type.", ()
    try:
        # Entities are refused above, and expat limits what is left.
        root = ElementTree.fromstring(content)  # noqa: S314
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        return b"", f"is no readable SVG ({error}). Save it again as PNG, JPEG or SVG.", ()
    if root.tag != f"{SVG}svg":
        return b"", "is no PNG, JPEG or SVG image. Save it as one of these.", ()
    left_out: list[str] = []
    if not _clean(root, left_out, keep, 1) or _drawn_elements(root) > MAX_ELEMENTS:
        return b"", "is too deeply nested or has too many shapes. Save it as PNG.", ()
    ElementTree.register_namespace("", SVG[1:-1])
    ElementTree.register_namespace("xlink", XLINK_HREF[1:].partition("}")[0])
    return ElementTree.tostring(root, encoding="utf-8"), "", tuple(dict.fromkeys(left_out))


def _clean(element: ElementTree.Element, left_out: list[str], keep: Callable[[str], str], depth: int) -> bool:
    """Clean an element and what is in it; return False where it is nested too deeply."""
    if depth > MAX_DEPTH:
        return False
    for name, value in list(element.attrib.items()):
        local = name.rpartition("}")[2].lower()
        is_link = local == "href" and not value.strip().startswith("#")
        if local.startswith("on") or local == "base" or is_link or OUTSIDE_URL.search(value):
            left_out.append(f"{element.tag.rpartition('}')[2]} {local}")
            del element.attrib[name]
    if element.tag == f"{SVG}style":
        element.text = _clean_style(element.text or "", left_out)
    for child in list(element):
        kind = child.tag.removeprefix(SVG) if isinstance(child.tag, str) else ""
        if kind in DRAWN:
            if not _clean(child, left_out, keep, depth + 1):
                return False
            continue
        if kind == "image" and (address := keep((child.get("href") or child.get(XLINK_HREF) or "").strip())):
            places = {name: value for name, value in child.attrib.items() if name in PLACES_OF_PICTURES}
            child.clear()
            child.attrib |= {**places, "href": address}
            continue
        if kind and "}" not in kind and kind not in SILENT:
            left_out.append(kind)
        element.remove(child)
    return True


def _clean_style(text: str, left_out: list[str]) -> str:
    kept = []
    for rule in tinycss2.parse_stylesheet(text, skip_comments=True, skip_whitespace=True):
        words = rule.serialize()
        if rule.type == "qualified-rule" and not OUTSIDE_URL.search(words):
            kept.append(words)
        else:
            left_out.append(f"style {words[:40]}")
    return "\n".join(kept)


def _drawn_elements(root: ElementTree.Element) -> int:
    """Return how many elements are drawn with every `use` followed; more than the limit where one uses itself."""
    by_id = {element.get("id"): element for element in root.iter() if element.get("id")}
    sizes: dict[ElementTree.Element, int] = {}

    def size(element: ElementTree.Element, above: frozenset[ElementTree.Element]) -> int:
        if element in above or len(above) > 4 * MAX_DEPTH:
            return MAX_ELEMENTS + 1
        if element not in sizes:
            within = above | {element}
            sizes[element] = min(1 + sum(size(one, within) for one in _below(element)), MAX_ELEMENTS + 1)
        return sizes[element]

    def _below(element: ElementTree.Element) -> Iterator[ElementTree.Element]:
        yield from element
        target = element.get("href") or element.get(XLINK_HREF) or ""
        if element.tag == f"{SVG}use" and (used := by_id.get(target.strip()[1:])) is not None:
            yield used

    return size(root, frozenset())
