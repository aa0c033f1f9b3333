"""Draws the pictures of the README and of docs/ from the demo campus: run `make demo` first, then `make pictures`."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pymupdf_fonts
import pypdfium2
from PIL import Image, ImageDraw, ImageFont

PROJECT = Path(__file__).resolve().parent.parent
PICTURES = PROJECT / "docs" / "images"
DOCUMENT = "attestation-O-BRIEN-Siobhan-u-1004.pdf"
SCALE = 1.6  # 115 pixels an inch: sharp at half that size, small in the repository
# The blocks as docs/attestation.md numbers them, by words that stand where each begins.
BLOCKS = {
    "1": "Établie le",
    "2": "Apprenant",
    "3": "Synthèse",
    "4": "Activités de la session",
    "5": "Relevé des connexions",
    "6": "Méthode",
    "7": "Fait à",
    "8": "Données au",
}


def drawn(page: pypdfium2.PdfPage) -> Image.Image:
    """Return a page as a picture."""
    picture: Image.Image = page.render(scale=SCALE).to_pil()
    return picture


def numbered(page: pypdfium2.PdfPage) -> Image.Image:
    """Return a page with the number of each block in its left margin, at the first of its words."""
    picture = drawn(page)
    pen = ImageDraw.Draw(picture)
    font = ImageFont.truetype(io.BytesIO(pymupdf_fonts.fontbuffers["figbo"]()), 17)
    words = page.get_textpage()
    for number, start in BLOCKS.items():
        match = words.search(start, match_case=True).get_next()
        if match is not None:
            _, bottom, _, top = words.get_charbox(match[0])
            x, y = 32, (page.get_height() - (bottom + top) / 2) * SCALE
            pen.ellipse((x - 14, y - 14, x + 14, y + 14), fill="#c8102e")
            pen.text((x, y), number, fill="white", font=font, anchor="mm")
    return picture


def save(picture: Image.Image, name: str) -> None:
    """Write a picture small."""
    path = PICTURES / name
    picture.quantize(256).save(path, optimize=True)
    sys.stdout.write(f"{path.relative_to(PROJECT)}: {path.stat().st_size:,} bytes\n")


def main() -> None:
    """Draw the first page of one attestation, and all of it with its blocks numbered."""
    issues = sorted((PROJECT / "demo/var/attestations/S-2026-MGMT-09").glob(f"issue-*/{DOCUMENT}"))
    if not issues:
        sys.exit("No attestation of the demo to draw. Run: make demo")
    document = pypdfium2.PdfDocument(issues[0])
    save(drawn(document[0]), "attestation.png")
    pages = [numbered(page) for page in document]
    sheet = Image.new("RGB", (sum(page.width + 12 for page in pages) - 12, pages[0].height), "#8a97a5")
    for place, page in enumerate(pages):
        sheet.paste(page, (place * (page.width + 12), 0))
    save(sheet, "attestation-blocks.png")


if __name__ == "__main__":
    main()
