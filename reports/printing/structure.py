"""The form of a PDF, object by object: whether it is one as this program writes them, and holds nothing that acts.

Every byte between the first and the last is read: header, objects, the table of their places, end. What another
program saved again, or what was added behind the end, has another form.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from typing import Any

# What would act, hide or lay something over a page, or replace what was written.
ACTING = {
    "AA", "AcroForm", "Annots", "Collection", "Encrypt", "ImportData", "JS", "JavaScript", "Launch", "Movie",
    "OCProperties", "OpenAction", "Rendition", "RichMedia", "SubmitForm", "URI", "XFA",
}  # fmt: skip
MOST_UNPACKED_BYTES = 100_000_000
HEADER = re.compile(rb"%PDF-\d\.\d\n%[^\n]*\n")
OBJECT = re.compile(rb"(\d+) 0 obj\n")
END = re.compile(rb"startxref\n(\d+)\n%%EOF\n")
TOKEN = re.compile(
    rb"[ \n\r\t\f\0]*(?:(?P<name>/[^ \n\r\t\f\0()<>\[\]{}/%]*)|(?P<reference>\d+ \d+ R\b)"
    rb"|(?P<number>[+-]?(?:\d+\.?\d*|\.\d+))|(?P<word>true|false|null)|(?P<hex><[0-9A-Fa-f \n\r\t]*>)"
    rb"|(?P<open><<|\[)|(?P<close>>>|\])|(?P<text>\())"
)
CODE = re.compile(rb"#([0-9A-Fa-f]{2})")
STREAM = b"\nstream\n"


def fault_of_form(content: bytes) -> str:
    """Return what in the form of a PDF is not as it was written, or an empty text."""
    names: set[str] = set()
    try:
        objects = _objects(content, names)
    except (ValueError, IndexError, KeyError, TypeError, zlib.error) as error:
        return f"it is not in the form in which it was issued ({error}): another program saved or changed it"
    if acting := ACTING & names:
        return f"it holds /{min(acting)}: something that acts, hides or is laid over what was issued"
    attached = sum(isinstance(value, dict) and value.get("Type") == "/EmbeddedFile" for value in objects)
    return "" if attached == 1 else f"it has {attached} attached files, not one"


def _objects(content: bytes, names: set[str]) -> list[Any]:
    """Return the values of all objects; a stream is its dictionary. Raises ValueError where a byte is none of these.

    Every name in them, keys among them, is added to `names` without its slash.
    """
    header = HEADER.match(content)
    if not header:
        raise ValueError("its beginning is another")
    at, places, found = header.end(), {}, {}
    table: tuple[int, dict[str, Any], bytes] | None = None
    packed: list[tuple[int, dict[str, Any], bytes]] = []
    while match := OBJECT.match(content, at):
        if table:
            raise ValueError("objects follow its table")
        number, start = int(match[1]), at
        value, at = _value(content, match.end(), names)
        if content.startswith(STREAM, at):
            at += len(STREAM)
            stream, at = content[at : at + value["Length"]], at + value["Length"]
            if value.get("Type") == "/XRef":
                if "Prev" in value:
                    raise ValueError("its table continues an earlier one")
                table = (start, value, stream)
            if value.get("Type") == "/ObjStm":
                packed.append((number, value, stream))
            at = _after(content, at, b"\nendstream")
        at = _after(content, at, b"\nendobj\n")
        if number in found:
            raise ValueError(f"object {number} is there twice")
        found[number], places[number] = value, (1, start, 0)
    end = END.fullmatch(content, at)
    if not end or not table or int(end[1]) != table[0]:
        raise ValueError("its end is another, or something follows it")
    for number, value, stream in packed:
        for index, (inner, one) in enumerate(_unpacked(value, stream, names)):
            if inner in found:
                raise ValueError(f"object {inner} is there twice")
            found[inner], places[inner] = one, (2, number, index)
    if _table(*table[1:]) != places:
        raise ValueError("its table names other places than those of its objects")
    return list(found.values())


def _after(content: bytes, at: int, expected: bytes) -> int:
    if not content.startswith(expected, at):
        raise ValueError(f"byte {at} is not as expected")
    return at + len(expected)


def _inflated(value: dict[str, Any], stream: bytes) -> bytes:
    if value.get("Filter") != "/FlateDecode" or "DecodeParms" in value:
        raise ValueError("a table is packed in another way")
    unpacking = zlib.decompressobj()
    content = unpacking.decompress(stream, MOST_UNPACKED_BYTES)
    if not unpacking.eof or unpacking.unused_data:
        raise ValueError("a table is not whole")
    return content


def _unpacked(value: dict[str, Any], stream: bytes, names: set[str]) -> Iterator[tuple[int, Any]]:
    """Yield number and value of each object of an object stream."""
    content = _inflated(value, stream)
    heads = [int(part) for part in content[: value["First"]].split()]
    if len(heads) != 2 * value["N"]:
        raise ValueError("an object stream has another head")
    expected = value["First"]
    for number, start in zip(heads[::2], heads[1::2], strict=True):
        begin = value["First"] + start
        if content[expected:begin].strip():
            raise ValueError("an object stream holds what is no object of it")
        one, expected = _value(content, begin, names)
        yield number, one
    if content[expected:].strip():
        raise ValueError("an object stream holds what is no object of it")


def _table(value: dict[str, Any], stream: bytes) -> dict[int, tuple[int, int, int]]:
    """Return kind and place of each object in use, as the table of the file names them."""
    content, widths = _inflated(value, stream), value["W"]
    first, count = value["Index"]
    size = sum(widths)
    if len(content) != size * count:
        raise ValueError("its table has another length")
    places = {}
    for row in range(count):
        fields, at = [], row * size
        for width in widths:
            fields.append(int.from_bytes(content[at : at + width], "big"))
            at += width
        if fields[0]:
            places[first + row] = (fields[0], fields[1], fields[2] if fields[0] == 2 else 0)
    return places


def _value(content: bytes, at: int, names: set[str]) -> tuple[Any, int]:
    """Return the value that begins at a byte, and where it ends. Names keep their slash, other atoms are bytes."""
    stack: list[list[Any]] = [[]]
    while True:
        match = TOKEN.match(content, at)
        if not match:
            raise ValueError(f"byte {at} is not as expected")
        at, kind = match.end(), match.lastgroup
        token: bytes = match[kind]  # type: ignore[index]  # one of the groups is there
        if kind == "name":
            value: Any = token.decode("latin-1")
            if "#" in value:
                value = CODE.sub(lambda code: bytes([int(code[1], 16)]), token).decode("latin-1")
            names.add(value[1:])
        elif kind == "number":
            value = int(token) if b"." not in token else float(token)
        elif kind == "open":
            stack.append([token])
            continue
        elif kind == "close":
            opened, *values = stack.pop()
            if (opened, token) == (b"[", b"]"):
                value = values
            elif (opened, token) == (b"<<", b">>") and len(values) % 2 == 0:
                value = {name[1:]: one for name, one in zip(values[::2], values[1::2], strict=True)}
                if len(value) != len(values) // 2:
                    raise ValueError("a dictionary has a key twice")
            else:
                raise ValueError(f"byte {at} is not as expected")
        elif kind == "text":
            value, at = _text(content, at)
        else:
            value = token
        stack[-1].append(value)
        if len(stack) == 1:
            return value, at


def _text(content: bytes, at: int) -> tuple[bytes, int]:
    """Return the text whose bracket opened before a byte, and where it ends."""
    start, depth = at, 1
    while depth:
        match = re.compile(rb"\\.|[()]", re.DOTALL).search(content, at)
        if not match:
            raise ValueError("a text does not end")
        depth += {b"(": 1, b")": -1}.get(match[0], 0)
        at = match.end()
    return content[start : at - 1], at
