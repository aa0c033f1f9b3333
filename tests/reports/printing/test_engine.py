"""The engine: what is kept from one document for the next gives the same bytes."""

from __future__ import annotations

from unittest.mock import Mock

import pytest
from weasyprint.images import SVGImage  # type: ignore[import-untyped]

from reports.printing.engine import Engine
from reports.printing.images import CheckedImage

PAGE = "<html lang='en'><head><title>T</title></head><body><p>{}</p><img src='opco:image/logo' alt=''/></body></html>"
PLAIN = '<path d="M0 0H9V9Z" fill="#123456" fill-opacity="0.5"/>'
CLIPPED = f'<defs><clipPath id="c"><circle cx="5" cy="5" r="4"/></clipPath></defs><g clip-path="url(#c)">{PLAIN}</g>'
STYLE = "@font-face { font-family: M; src: url(opco:font/mono) } html { font-family: M }"
MASKED = f'<defs><mask id="m"><circle cx="5" cy="5" r="4" fill="white"/></mask></defs><g mask="url(#m)">{PLAIN}</g>'


def engine(inside: str) -> Engine:
    """Return an engine with a logo."""
    content = f'<svg xmlns="http://www.w3.org/2000/svg" width="10" height="10">{inside}</svg>'.encode()
    return Engine({"logo": CheckedImage("logo.svg", "image/svg+xml", content, "")}, (STYLE,))


@pytest.mark.parametrize(("inside", "draws"), [(PLAIN, 1), (CLIPPED, 1), (MASKED, 2)])
def test_a_drawing_of_paths_and_opacities_is_drawn_once_and_gives_the_same_bytes(
    inside: str, draws: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first document draws unkept; of the two behind it, the second repeats the first, unless there is a mask."""
    made = engine(inside)
    first, _ = made.pdf(PAGE.format("One"))
    draw = Mock(side_effect=SVGImage.draw)
    monkeypatch.setattr(SVGImage, "draw", lambda *given: draw(*given))
    assert [made.pdf(PAGE.format("One"))[0] for _ in range(2)] == [first, first]
    assert draw.call_count == draws
    assert made.pdf(PAGE.format("Two"))[0] == engine(inside).pdf(PAGE.format("Two"))[0]
