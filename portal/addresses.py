"""Ids in the paths of addresses: any text, in characters that neither browsers nor proxies change."""

from __future__ import annotations

from urllib.parse import quote, unquote

from starlette.convertors import Convertor, register_url_convertor

ESCAPE = "~"


def key(text: str) -> str:
    """Return `text` as one part of a path: percent-encoded, with `~` in the place of `%`.

    A percent sign would be decoded before the path is parted at its slashes; dots alone would climb in the path.
    """
    encoded = quote(text, safe="").replace(ESCAPE, "%7E").replace("%", ESCAPE)
    return encoded.replace(".", f"{ESCAPE}2E") if not encoded.strip(".") else encoded


def text_of(part: str) -> str:
    """Return the text that `key` made a part of a path from."""
    return unquote(part.replace(ESCAPE, "%"), errors="replace")


class KeyConvertor(Convertor[str]):
    """Of `{session_id:key}` in a route's path: the request sees the id itself."""

    regex = r"[A-Za-z0-9._~-]+"

    def convert(self, value: str) -> str:
        """Return the id of a part of a path."""
        return text_of(value)

    def to_string(self, value: str) -> str:
        """Return the part of a path of an id."""
        return key(value)


register_url_convertor("key", KeyConvertor())
