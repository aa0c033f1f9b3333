"""What WeasyPrint works out again for every document, kept from one to the next: computed styles and broken lines.

Only documents with the fonts of `KeptFonts` are concerned; with any other fonts WeasyPrint works as it does. Decision
184 says which inner parts this relies on, and why.
"""

from __future__ import annotations

from typing import Any

from weasyprint.css import StyleFor  # type: ignore[import-untyped]
from weasyprint.layout import inline, preferred  # type: ignore[import-untyped]
from weasyprint.text import line_break  # type: ignore[import-untyped]
from weasyprint.text.ffi import pango  # type: ignore[import-untyped]
from weasyprint.text.fonts import FontConfiguration  # type: ignore[import-untyped]

# A document has some hundred of each; names and figures of its own among them are not wanted again.
MOST_KEPT = 4_000
PARAGRAPH_END = frozenset("\n\r\u2029")


class KeptFonts(FontConfiguration):  # type: ignore[misc]
    """Fonts, and beside them what documents set in them have in common."""

    def __init__(self) -> None:
        super().__init__()
        # A key names objects by their id: what is kept under it holds them, so that no other takes the same id.
        self.styles: dict[tuple[Any, ...], Any] = {}
        self.lines: dict[tuple[Any, ...], tuple[Any, ...]] = {}


class _KeptLayout(line_break.Layout):  # type: ignore[misc]
    """A line that stays shaped from its measuring to its drawing."""

    def set_text(self, text: str, justify: bool = False) -> None:
        """Set the text; drawing asks for one paragraph, and to ask for it later would shape the line again."""
        super().set_text(text, justify)
        if isinstance(self.style.font_config, KeptFonts):
            pango.pango_layout_set_single_paragraph_mode(self.layout, PARAGRAPH_END.isdisjoint(text))

    def reactivate(self, style: Any) -> None:
        """Make the line ready to be drawn."""
        if self.justification_spacing or not hasattr(self, "layout"):
            super().reactivate(style)

    def deactivate(self) -> None:
        """Forget the line's shape, but where it is kept."""
        if not isinstance(self.style.font_config, KeptFonts):
            super().deactivate()


_compute_styles, _split_first_line, _strut = StyleFor.set_computed_styles, line_break.split_first_line, line_break.strut


def _kept_styles(
    self: Any,
    element: Any,
    parent: Any,
    root: Any = None,
    pseudo_type: str | None = None,
    base_url: str | None = None,
    target_collector: Any = None,
) -> None:
    """Give an element the style that another had with the same declarations below the same parent's style."""
    if not isinstance(self.font_config, KeptFonts):
        _compute_styles(self, element, parent, root, pseudo_type, base_url, target_collector)
        return
    kept, computed = self.font_config.styles, self.get_computed_styles()
    declared = self.get_cascaded_styles().get((element, pseudo_type), {})
    key = (
        id(computed[parent, None]) if parent is not None else 0,
        id(computed[root, None]) if parent is not None else 0,
        pseudo_type,
        # The language is the page's own; all else is the stylesheets'.
        *((name, value if name == "lang" else id(value)) for name, (value, _weight) in declared.items()),
    )
    if key in kept:
        computed[element, pseudo_type] = kept[key]
        return
    _compute_styles(self, element, parent, root, pseudo_type, base_url, target_collector)
    _limit(kept)
    kept[key] = computed[element, pseudo_type]


def _kept_lines(
    text: str,
    style: Any,
    context: Any,
    max_width: float | None,
    justification_spacing: float,
    is_line_start: bool = True,
    minimum: bool = False,
) -> tuple[Any, ...]:
    """Break a line of text where the same text was broken before; preformatted lines are seldom the same."""
    fonts = style.font_config
    if not isinstance(fonts, KeptFonts) or style["white_space"] == "pre":
        return _split_first_line(text, style, context, max_width, justification_spacing, is_line_start, minimum)  # type: ignore[no-any-return]
    key = (id(style), text, max_width, justification_spacing, is_line_start, minimum)
    if key not in fonts.lines:
        _limit(fonts.lines)
        fonts.lines[key] = _split_first_line(
            text, style, context, max_width, justification_spacing, is_line_start, minimum
        )
    return fonts.lines[key]


def _kept_strut(style: Any) -> tuple[float, float]:
    """Return a style's height of lines and their baseline, which are asked for at each piece of text."""
    kept = vars(style)
    if "strut" not in kept:
        kept["strut"] = _strut(style)
    return kept["strut"]  # type: ignore[no-any-return]


def _limit(kept: dict[Any, Any]) -> None:
    if len(kept) >= MOST_KEPT:
        kept.clear()


StyleFor.set_computed_styles = _kept_styles
line_break.Layout = _KeptLayout
inline.split_first_line = preferred.split_first_line = _kept_lines
inline.strut = _kept_strut
