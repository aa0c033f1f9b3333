"""Draws the pictures of the README and of docs/ from the demo campus: run `make demo` and `make acceptance` first.

Those of the portal are what the test of every page in Chromium sees, cut to the height of a screen.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pymupdf_fonts
import pypdfium2
from PIL import Image, ImageDraw, ImageFont

PROJECT = Path(__file__).resolve().parent.parent
PICTURES = PROJECT / "docs" / "images"
SESSION = "S-2026-MGMT-09"
DOCUMENTS = {
    "document-certificate": ("certificate", []),
    "document-attendance": ("attendance", []),
    "document-log": ("log", ["--month", "2026-09"]),
}
"""Pictures of the documents beside the attestation: the kind and what its command takes."""
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

PAGES = (
    "dashboard",
    "sessions",
    "session",
    "flag",
    "learners",
    "learner",
    "attestations",
    "issue",
    "statistics",
    "rejected-rows",
    "sign-in",
)
SCREEN, GAP = 980, 24  # pixels
GROUND = "#8a97a5"


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


def sheet(pictures: list[Image.Image], across: int, gap: int) -> Image.Image:
    """Return pictures in rows of `across`, with `gap` pixels between them; each takes the room of the largest."""
    width = max(picture.width for picture in pictures) + gap
    height = max(picture.height for picture in pictures) + gap
    rows = -(-len(pictures) // across)
    drawing = Image.new("RGB", (width * min(across, len(pictures)) - gap, height * rows - gap), GROUND)
    for place, picture in enumerate(pictures):
        drawing.paste(picture, (place % across * width, place // across * height))
    return drawing


def of_the_portal() -> None:
    """Draw each page as on a desk, and all of them on a phone and in the dark."""
    with tempfile.TemporaryDirectory() as folder:
        tests = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "tests/acceptance/test_portal_in_chromium.py",
            "-k",
            "every_page",
        ]
        subprocess.run(tests, cwd=PROJECT, env={**os.environ, "OPCO_SCREENSHOTS": folder}, check=True)

        def screen(page: str, look: str) -> Image.Image:
            with Image.open(f"{folder}/{page}-{look}.png") as whole:
                return whole.convert("RGB").crop((0, 0, whole.width, min(whole.height, SCREEN)))

        for page in PAGES:
            save(screen(page, "desk"), f"portal-{page}.png")
        save(sheet([screen(page, "phone") for page in PAGES], 5, GAP), "portal-on-a-phone.png")
        dark = [screen(page, "dark") for page in PAGES]
        save(sheet([one.resize((one.width // 2, one.height // 2)) for one in dark], 3, GAP), "portal-in-the-dark.png")


def of_the_documents() -> None:
    """Draw the first page of each document beside the attestation, of the same learner."""
    for name, (kind, options) in DOCUMENTS.items():
        opco = str(Path(sys.executable).with_name("opco"))
        command = [opco, "document", kind, SESSION, "--home", "demo", "--issued-on", "2026-11-10", *options]
        subprocess.run(command, cwd=PROJECT, check=True)
        found = sorted((PROJECT / f"demo/var/documents/{kind}/{SESSION}").glob("*/issue-*/*-u-1001.pdf"))
        save(drawn(pypdfium2.PdfDocument(found[-1])[0]), f"{name}.png")


def save(picture: Image.Image, name: str) -> None:
    """Write a picture small."""
    path = PICTURES / name
    picture.quantize(256).save(path, optimize=True)
    sys.stdout.write(f"{path.relative_to(PROJECT)}: {path.stat().st_size:,} bytes\n")


def main() -> None:
    """Draw the first page of one attestation, all of it with its blocks numbered, the documents, and the portal."""
    issues = sorted((PROJECT / "demo/var/attestations" / SESSION).glob(f"issue-*/{DOCUMENT}"))
    if not issues:
        sys.exit("No attestation of the demo to draw. Run: make demo")
    document = pypdfium2.PdfDocument(issues[0])
    save(drawn(document[0]), "attestation.png")
    save(sheet([numbered(page) for page in document], len(document), 12), "attestation-blocks.png")
    of_the_documents()
    of_the_portal()


if __name__ == "__main__":
    main()
