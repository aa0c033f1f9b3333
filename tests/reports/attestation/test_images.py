"""Images come from the assets folder only, are what they claim to be, and reach out to nothing."""

from __future__ import annotations

import hashlib
import http.server
import io
import threading
from datetime import date
from pathlib import Path
from typing import Any

import pikepdf
import pytest
from PIL import Image

from reports.attestation import AttestationInputs, issue_attestations
from reports.attestation.images import read_image
from reports.attestation.svg import clean_svg
from warehouse.errors import UserError

# Eight groups, each of ten of the one before.
BILLION = "<g id='b0'><path/></g>" + "".join(
    f"<g id='b{number}'>" + f"<use href='#b{number - 1}'/>" * 10 + "</g>" for number in range(1, 9)
)
SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="40" height="20"><rect width="40" height="20" fill="#123"/></svg>'


@pytest.fixture
def assets(tmp_path: Path) -> Path:
    folder = tmp_path / "assets"
    folder.mkdir()
    return folder


def bitmap(kind: str, size: tuple[int, int] = (30, 20)) -> bytes:
    stream = io.BytesIO()
    # One bit a pixel: a page of pixels stays small.
    image = Image.radial_gradient("L").resize(size) if size[0] < 1000 else Image.new("1", size)
    image.save(stream, kind)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "mime_type"),
    [
        ("stamp.png", bitmap("PNG"), "image/png"),
        ("stamp.png", bitmap("JPEG"), "image/jpeg"),
        ("stamp", SVG.encode(), "image/svg+xml"),
        ("stamp.svg", b"\xef\xbb\xbf\n" + SVG.encode(), "image/svg+xml"),
    ],
    ids=["png", "jpeg", "svg", "svg with BOM"],
)
def test_the_kind_is_that_of_the_content(assets: Path, name: str, content: bytes, mime_type: str) -> None:
    (assets / name).write_bytes(content)
    image = read_image(assets, Path(name), "stamp")
    assert (image.mime_type, image.sha256) == (mime_type, hashlib.sha256(content).hexdigest())
    assert image.left_out == ()
    assert image.content == content or mime_type == "image/svg+xml"


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "is no PNG, JPEG or SVG image"),
        (bitmap("GIF"), "is no PNG, JPEG or SVG image"),
        (b"%PDF-1.7", "is no PNG, JPEG or SVG image"),
        (b"<html xmlns='http://www.w3.org/1999/xhtml'></html>", "is no PNG, JPEG or SVG image"),
        (b"<svg", "is no readable SVG"),
        (bitmap("PNG", (200, 150))[:-200], "is a damaged image"),
        (bitmap("JPEG")[:-200], "is a damaged image"),
        (bitmap("PNG", (6000, 6000)), "has 6000 × 6000 pixels"),
        (SVG.encode() + b" " * (2 * 1024 * 1024), "is larger than 2 MiB"),
        (b'<!DOCTYPE svg [<!ENTITY a "aaaa">]>' + SVG.encode(), "declares XML entities"),
    ],
    ids=["empty", "gif", "pdf", "html", "broken svg", "cut png", "cut jpeg", "pixels", "bytes", "entities"],
)
def test_an_unusable_image_is_named_with_what_to_do(assets: Path, content: bytes, fault: str) -> None:
    (assets / "logo.png").write_bytes(content)
    with pytest.raises(UserError, match=f"The logo {assets.resolve()}/logo.png {fault}.*Save it"):
        read_image(assets, Path("logo.png"), "logo")


def test_nothing_outside_the_assets_folder_is_read(assets: Path) -> None:
    outside = assets.parent / "outside.svg"
    outside.write_text(SVG)
    (assets / "link.svg").symlink_to(outside)
    for name in (Path("../outside.svg"), outside, Path("link.svg")):
        with pytest.raises(UserError, match="lies outside the assets folder"):
            read_image(assets, name, "logo")
    with pytest.raises(UserError, match=r"The logo none\.svg is not in the assets folder"):
        read_image(assets, Path("none.svg"), "logo")


def test_images_are_drawn_and_an_svg_reaches_out_to_nothing(campus: Any, assets: Path, tmp_path: Path) -> None:
    asked: list[str] = []

    class Listener(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

    server = http.server.HTTPServer(("127.0.0.1", 0), Listener)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    secret = tmp_path / "secret.png"
    secret.write_bytes(bitmap("PNG", (31, 17)))
    (assets / "stamp.png").write_bytes(bitmap("PNG", (33, 19)))
    (assets / "logo.svg").write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="40" height="20">'
        f"<style>@font-face {{ font-family: X; src: url({address}/font) }} rect {{ fill: url({address}/fill) }}</style>"
        f'<image href="{address}/image.png" width="9" height="9"/>'
        f'<image xlink:href="{secret.as_uri()}" width="9" height="9"/>'
        f'<use href="{address}/use.svg#a"/><text font-family="X" x="1" y="9">Logo</text></svg>'
    )
    campus.build()
    campus.session("S", "Session", None, None)
    campus.learner("U1", "Dupont", "Marie")
    campus.connected("U1", "S", "C1", "2026-10-12 07:00:00", "2026-10-12 08:00:00")
    campus.enrolled("U1", "S")
    summary = issue_attestations(
        campus.close(),
        "S",
        AttestationInputs(logo=Path("logo.svg"), stamp=Path("stamp.png")),
        folder=tmp_path / "issues",
        assets=assets,
        issued_on=date(2027, 1, 15),
    )
    server.shutdown()
    assert asked == []
    (warning,) = (one for one in summary.warnings if "left out of it" in one)
    assert warning.startswith("logo logo.svg: left out of it: style @font-face")
    assert "style rect { fill: url(" in warning
    assert warning.endswith("image, use href")
    with pikepdf.open(summary.folder / summary.documents[0].file) as pdf:
        sizes = {
            (int(item["/Width"]), int(item["/Height"]))
            for item in pdf.objects
            if isinstance(item, pikepdf.Stream) and item.get("/Subtype") == "/Image"
        }
        # PDF/A forbids smoothing.
        assert not any(
            item.get("/Interpolate") for item in pdf.objects if isinstance(item, pikepdf.Stream) and "/Width" in item
        )
    assert sizes == {(33, 19)}


@pytest.mark.parametrize(
    ("inside", "kept", "left_out"),
    [
        ("<script>alert(1)</script><circle r='3'/>", "<circle", ("script",)),
        ("<rect onload='x()' width='9'/>", "<rect width", ("rect onload",)),
        ("<foreignObject><p xmlns='http://www.w3.org/1999/xhtml'>x</p></foreignObject>", "", ("foreignObject",)),
        ("<use href='file:///etc/passwd#a'/>", "<use", ("use href",)),
        ("<rect style='fill: url( &quot;http://x/y#z&quot;)'/>", "<rect", ("rect style",)),
        ("<rect fill='url(#paint)'/>", "url(#paint)", ()),
        (
            "<style>@import 'http://x/y.css'; rect { fill: red }</style>",
            "fill: red",
            ('style @import "http://x/y.css";',),
        ),
        ("<metadata>made by</metadata><title>Logo</title>", "", ()),
        ("<sodipodi:namedview xmlns:sodipodi='http://sodipodi.example/'/>", "", ()),
        ("<animate attributeName='x'/>", "", ("animate",)),
    ],
)
def test_an_svg_is_cleaned(inside: str, kept: str, left_out: tuple[str, ...]) -> None:
    content, fault, found = clean_svg(f'<svg xmlns="http://www.w3.org/2000/svg">{inside}</svg>'.encode())
    assert fault == ""
    assert kept.encode() in content
    assert found == left_out
    for word in (b"script", b"onload", b"http://x", b"file:", b"passwd", b"foreignObject"):
        assert word not in content


@pytest.mark.parametrize(
    "inside",
    [
        "<g>" * 200 + "</g>" * 200,
        "<use id='a' href='#a'/>",
        BILLION,
        "<path/>" * 20_001,
    ],
    ids=["nested", "itself", "a billion", "many"],
)
def test_an_svg_that_would_take_for_ever_is_refused(inside: str) -> None:
    _, fault, _ = clean_svg(f'<svg xmlns="http://www.w3.org/2000/svg">{inside}</svg>'.encode())
    assert fault == "is too deeply nested or has too many shapes. Save it as PNG."
