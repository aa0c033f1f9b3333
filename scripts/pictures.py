"""Draws the pictures of the README from the demo campus: run `make demo` first, then `make pictures`."""

from __future__ import annotations

import sys
from pathlib import Path

import pypdfium2

PROJECT = Path(__file__).resolve().parent.parent
DOCUMENT = "attestation-O-BRIEN-Siobhan-u-1004.pdf"
SCALE = 1.6  # 115 pixels an inch: sharp at half that size, small in the repository


def main() -> None:
    """Draw the first page of one attestation."""
    issues = sorted((PROJECT / "demo/var/attestations/S-2026-MGMT-09").glob(f"issue-*/{DOCUMENT}"))
    if not issues:
        sys.exit("No attestation of the demo to draw. Run: make demo")
    page = pypdfium2.PdfDocument(issues[0])[0]
    picture = PROJECT / "docs/images/attestation.png"
    page.render(scale=SCALE).to_pil().quantize(256).save(picture, optimize=True)
    sys.stdout.write(f"{picture.relative_to(PROJECT)}: {picture.stat().st_size:,} bytes\n")


if __name__ == "__main__":
    main()
