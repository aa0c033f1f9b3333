"""What is kept from one document to the next changes none of them."""

from __future__ import annotations

import pytest
from weasyprint.text.fonts import FontConfiguration  # type: ignore[import-untyped]

from reports.attestation.rendering import TEMPLATES
from reports.printing import engine

STYLE = (TEMPLATES / "attestation.css").read_text(encoding="utf-8")
PAGE = """<html lang="{language}"><head><title>{name}</title></head><body>
<header class="letterhead"><p class="organisation">Atelier</p><p class="reference">{name} <b>{name}</b></p></header>
<h1 data-learner="{name}" data-number="{name}">Attestation of {name}</h1>
<div class="facts"><section class="side">
<dl><div><dt>Name</dt><dd>{name} <small>ID {name}</small></dd></div></dl></section></div>
<p style="width: {width}mm">A style attribute of its own, in\u00advisibly so.</p>
<dl class="tiles">{tiles}</dl>
<p class="{colour}">The same <b>words</b> in <span class="figure">another</span> style.</p>
<ol class="entries"><li>  1  {name}  08:00:00</li><li class="tall">  2  two lines
     of it</li></ol>
<div class="closing"><p class="method">{long}</p></div>
</body></html>"""
# The same words in cells of another width are broken elsewhere.
TILE = '<div class="tile"><dt>Time of all connections</dt><dd class="remark">what the platform says of it</dd></div>'
DOCUMENTS = (
    {
        "name": "Ève",
        "language": "fr",
        "width": 60,
        "tiles": TILE * 2,
        "colour": "introduction",
        "long": "Every line of it. " * 40,
    },
    {
        "name": "Martin-Fontaine",
        "language": "fr",
        "width": 30,
        "tiles": TILE * 6,
        "colour": "statement",
        "long": "Every line. " * 900,
    },
    {
        "name": "Ève",
        "language": "en",
        "width": 60,
        "tiles": TILE * 2,
        "colour": "introduction",
        "long": "Every line of it. " * 40,
    },
)


def made() -> list[bytes]:
    one = engine.Engine({}, [STYLE])
    # The third has a style of its own.
    styles = ("", "", "p { letter-spacing: 0.1mm }")
    pages = (PAGE.format(**values) for values in DOCUMENTS)
    return [one.pdf(page, style=style)[0] for page, style in zip(pages, styles, strict=True)]


def test_documents_are_those_of_a_weasyprint_that_keeps_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = made()
    monkeypatch.setattr(engine, "KeptFonts", FontConfiguration)
    assert kept == made()


def test_what_is_kept_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = made()
    # So small that it is emptied in the midst of a document.
    monkeypatch.setattr("reports.printing.kept.MOST_KEPT", 7)
    one = engine.Engine({}, [STYLE])
    assert one.pdf(PAGE.format(**DOCUMENTS[0]))[0] == kept[0]
    assert len(one.fonts.styles) <= 7
    assert len(one.fonts.lines) <= 7


def test_styles_and_lines_in_common_are_kept() -> None:
    one = engine.Engine({}, [STYLE])
    one.pdf(PAGE.format(**DOCUMENTS[0]))
    styles, lines = len(one.fonts.styles), len(one.fonts.lines)
    one.pdf(PAGE.format(**DOCUMENTS[0] | {"name": "Zoé"}))
    # Of another name: the style attribute's own style, and the lines that name it.
    assert len(one.fonts.styles) - styles < styles / 10
    assert 0 < len(one.fonts.lines) - lines < lines / 2
