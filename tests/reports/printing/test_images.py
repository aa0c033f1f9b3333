"""Images come from the assets folder only, are what they claim to be, and reach out to nothing."""

from __future__ import annotations

import hashlib
import http.server
import io
import struct
import subprocess
import threading
import zlib
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any

import pikepdf
import pytest
from PIL import Image

from reports.attestation.inputs import AttestationInputs
from reports.printing import images as images_module
from reports.printing.images import CheckedImage, begin_to_read, check_image, read_image, read_images
from reports.printing.svg import clean_svg
from tests.issuing import issue_from
from warehouse.errors import UserError

# Eight groups, each of ten of the one before.
BILLION = "<g id='b0'><path/></g>" + "".join(
    f"<g id='b{number}'>" + f"<use href='#b{number - 1}'/>" * 10 + "</g>" for number in range(1, 9)
)
PICTURES = Path(__file__).parent / "images"
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


def picture(image: CheckedImage) -> Image.Image:
    """Return what a document draws, on white."""
    with Image.open(io.BytesIO(image.content)) as found:
        assert found.mode in ("L", "LA", "RGB", "RGBA")
        plain = found.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", plain.size, "white"), plain).convert("RGB")


def png(size: tuple[int, int], rows: bytes, *, depth: int = 8, kind: int = 0, extra: bytes = b"") -> bytes:
    """Return a PNG of `rows` as they stand in its IDAT; `extra` are chunks before it."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", *size, depth, kind, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + extra + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def jpeg_of_scans(side: int, scans: int) -> bytes:
    """Return a progressive JPEG, grey, that passes `scans` times over its picture and says nothing new each time."""

    def segment(marker: int, content: bytes) -> bytes:
        return bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2) + content

    blocks = (side // 8) ** 2
    tables = segment(0xDB, b"\0" + b"\1" * 64) + segment(0xC2, struct.pack(">BHHB", 8, side, side, 1) + b"\1\x11\0")
    # Each table has one code, the bit 0: no difference, and blocks up to 32,767 without anything.
    tables += b"".join(segment(0xC4, bytes([kind, 1, *[0] * 15, symbol])) for kind, symbol in ((0, 0), (16, 0xE0)))
    first = segment(0xDA, b"\1\1\0\0\0\0") + b"\0" * (blocks // 8 + 1)
    bits = (
        ("0" + "1" * 14) * (blocks // 32767) + "0" + f"{blocks % 32767 - 16384 if blocks % 32767 > 16383 else 0:014b}"
    )
    bits += "1" * (-len(bits) % 8)
    run = int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\0")
    return b"\xff\xd8" + tables + first + (segment(0xDA, b"\1\1\0\1\x3f\0") + run) * scans + b"\xff\xd9"


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
    image = read_image(assets, name, "stamp")
    assert (image.mime_type, image.sha256) == (mime_type, hashlib.sha256(content).hexdigest())
    assert image.left_out == ()
    assert mime_type == "image/svg+xml" or picture(image).size == (30, 20)


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
        read_image(assets, "logo.png", "logo")


def test_nothing_outside_the_assets_folder_is_read(assets: Path) -> None:
    outside = assets.parent / "outside.svg"
    outside.write_text(SVG)
    (assets / "link.svg").symlink_to(outside)
    for name in ("../outside.svg", str(outside), "link.svg"):
        with pytest.raises(UserError, match="lies outside the assets folder"):
            read_image(assets, name, "logo")
    with pytest.raises(UserError, match=r"The logo none\.svg is not in the assets folder"):
        read_image(assets, "none.svg", "logo")


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
    summary = issue_from(
        campus.close(),
        "S",
        AttestationInputs(logo="logo.svg", stamp="stamp.png"),
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
    # The logo holds letters, and is printed at 300 dots an inch.
    assert sizes == {(33, 19), (125, 63)}


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


WHITE, RED, BLUE = (255, 255, 255), (200, 30, 30), (20, 60, 140)


@pytest.mark.parametrize(
    ("file", "size", "points"),
    [
        ("cmyk.jpg", (600, 300), {(2, 2): WHITE, (300, 60): RED, (8, 150): BLUE}),
        ("grey-alpha.png", (300, 150), {(2, 2): WHITE, (150, 75): (0, 0, 0)}),
        ("palette-transparent.png", (300, 150), {(8, 75): BLUE, (150, 30): RED, (60, 75): WHITE}),
        ("photo-exif6.jpg", (600, 300), {(2, 2): WHITE, (300, 60): RED}),
        ("progressive.jpg", (400, 200), {(60, 100): WHITE, (200, 40): RED}),
        ("sixteen-bit.png", (200, 100), {(100, 50): (117, 117, 117)}),
        ("sixteen-bit-scan.png", (300, 150), {(2, 2): WHITE, (150, 26): (40, 40, 40)}),
        # As large as it is printed at 300 dots an inch.
        ("svg-embedded-image.svg", (590, 237), {(10, 100): WHITE, (295, 118): (128, 255, 128)}),
        ("svg-no-size.svg", (590, 237), {(300, 20): (232, 240, 255)}),
    ],
)
def test_a_picture_is_what_a_viewer_shows(
    file: str, size: tuple[int, int], points: dict[tuple[int, int], tuple[int, int, int]]
) -> None:
    found = picture(read_image(PICTURES, file, "logo"))
    assert found.size == size
    for point, colour in points.items():
        seen = found.getpixel(point)
        assert isinstance(seen, tuple)
        assert all(abs(one - other) <= 12 for one, other in zip(seen, colour, strict=True)), (point, seen)


@pytest.mark.parametrize("file", ["svg-illustrator.svg", "svg-percent.svg", "svg-tiny-viewbox-huge.svg"])
def test_what_lines_and_plain_colours_draw_stays_a_drawing(file: str) -> None:
    image = read_image(PICTURES, file, "logo")
    assert (image.mime_type, image.messages, image.dots) == ("image/svg+xml", (), 1.0)


@pytest.mark.parametrize(
    ("file", "fault"),
    [
        ("empty-transparent.png", "is transparent all over"),
        ("gif-named.jpg", "is no PNG, JPEG or SVG image"),
        ("webp-named.png", "is no PNG, JPEG or SVG image"),
    ],
)
def test_a_picture_that_cannot_be_shown_is_refused(file: str, fault: str) -> None:
    with pytest.raises(UserError, match=f"{file} {fault}.*Save it"):
        read_image(PICTURES, file, "logo")


def test_a_picture_is_kept_in_proportion(tmp_path: Path) -> None:
    for file, size in (("very-tall.png", (9, 472)), ("very-wide.png", (1890, 38))):
        assert picture(read_image(PICTURES, file, "logo")).size == size
    (tmp_path / "line.png").write_bytes(png((20_000, 1), b"\0" * 20_001))
    assert picture(read_image(tmp_path, "line.png", "logo")).size == (1890, 1)


@pytest.mark.parametrize(
    ("depth", "kind", "row", "clear"),
    [
        (1, 0, b"\x40", b"\0\1"),
        (2, 0, b"\x10", b"\0\1"),
        (4, 0, b"\x01\x00", b"\0\1"),
        (8, 0, b"\0\x01", b"\0\1"),
        (16, 0, b"\0\0\x12\x34", b"\x12\x34"),
        (8, 2, b"\0\0\0\1\2\3", b"\0\1\0\2\0\3"),
        (16, 2, b"\0\0\0\0\0\0\1\2\3\4\5\6", b"\1\2\3\4\5\6"),
    ],
)
def test_the_colour_that_a_png_calls_clear_is_clear(depth: int, kind: int, row: bytes, clear: bytes) -> None:
    content = png((2, 1), b"\0" + row, depth=depth, kind=kind, extra=chunk(b"tRNS", clear))
    image = check_image(content, "stamp.png", "stamp")
    with Image.open(io.BytesIO(image.content)) as found:
        seen = found.getchannel("A").tobytes()
        assert seen[1] == 0
        assert seen[0] == 255


def test_nothing_comes_along_but_the_picture() -> None:
    photo = io.BytesIO()
    exif = Image.Exif()
    exif[0x010E] = "SECRET-EXIF"
    Image.radial_gradient("L").convert("RGB").save(
        photo, "JPEG", comment=b"SECRET-COMMENT", exif=exif, icc_profile=b"SECRET-PROFILE"
    )
    text = chunk(b"tEXt", b"Comment\0SECRET-TEXT")
    for content in (
        photo.getvalue() + b"<script>SECRET-BEHIND</script>",
        png((9, 9), b"\0" * 90, extra=text) + b"PK\3\4SECRET-BEHIND",
        SVG.replace("<rect", "<!-- SECRET --><metadata>SECRET</metadata><rect").encode(),
    ):
        once, again = (check_image(content + end, "logo", "logo") for end in (b"", b"\n"))
        assert b"SECRET" not in once.content
        # The same picture gives the same bytes, and is its own picture.
        assert once.content == again.content
        if once.mime_type != "image/jpeg":
            assert check_image(once.content, "logo", "logo").content == once.content


def chained(element: str, use: str) -> str:
    """Return eight elements, each of ten of the one before."""
    return (
        "".join(
            f"<{element} id='c{number}'>"
            + f"<path d='M0 0L1 1L2 3' {use.format(number - 1)}/>" * (10 if number else 1)
            + f"</{element}>"
            for number in range(9)
        )
        + f"<path d='M0 0L9 9L20 3' {use.format(8)}/>"
    )


def gradient(stops: str, **message: str) -> str:
    told = " ".join(f"{name}='{value}'" for name, value in message.items())
    return f"<linearGradient id='g' {told}>{stops}</linearGradient><rect width='40' height='20' fill='url(#g)'/>"


TWO = "<stop offset='0' stop-color='red'/><stop offset='1' stop-color='blue'/>"


@pytest.mark.parametrize(
    "inside",
    [
        chained("marker", "marker-start='url(#c{0})' marker-mid='url(#c{0})' marker-end='url(#c{0})'"),
        chained("mask", "mask='url(#c{})'"),
        chained("clipPath", "clip-path='url(#c{})'"),
        gradient(TWO, x2="0.0000001", spreadMethod="repeat"),
        gradient(TWO, x2="0.0000001", spreadMethod="reflect").replace("linear", "radial").replace("x2", "r"),
        f"<text y='9'>{'abc ' * 250_000}</text>",
        "<text font-size='1e999'>x</text>",
        "<image width='9' height='9' href='data:image/png;base64,iVBORw0KGgo='/>",
    ],
    ids=[
        "markers",
        "masks",
        "clip paths",
        "repeating gradient",
        "reflecting gradient",
        "text",
        "infinite",
        "broken picture inside",
    ],
)
def test_a_drawing_without_end_is_refused_within_the_limits(inside: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images_module, "CPU_SECONDS", 2)
    monkeypatch.setattr(images_module, "MEMORY_BYTES", 700 * 1024**2)
    with pytest.raises(UserError, match=r"The logo .*Save it"):
        check_image(SVG.replace("<rect", inside + "<rect", 1).encode(), "logo.svg", "logo")


@pytest.mark.parametrize("number", ["NaN", "1e999", "Infinity", "0", "-5", "1e30"])
def test_a_number_that_is_none_is_drawn_or_refused_in_words(number: str) -> None:
    inside = (
        f"<rect rx='{number}' width='{number}' height='9'/><g transform='scale({number})'><path d='M{number} 0'/></g>"
    )
    with suppress(UserError):
        assert check_image(SVG.replace("<rect", inside + "<rect", 1).encode(), "logo.svg", "logo").content


@pytest.mark.parametrize("size", ["NaN", "1e999", "Infinity", "0", "-5"])
def test_a_size_that_is_none_is_refused(size: str) -> None:
    with pytest.raises(UserError, match="The logo cannot be drawn"):
        check_image(
            SVG.replace('width="40" height="20"', f'width="{size}" height="{size}"', 1).encode(), "logo.svg", "logo"
        )


def test_a_jpeg_of_many_passes_and_pngs_that_unpack_to_much_are_refused() -> None:
    assert picture(check_image(jpeg_of_scans(512, 20), "logo.jpg", "logo")).size == (472, 472)
    with pytest.raises(UserError, match="passes more than 100 times over its picture"):
        check_image(jpeg_of_scans(512, 400), "logo.jpg", "logo")
    for extra in (b"zTXt", b"iCCP"):
        packed = chunk(extra, b"a\0\0" + zlib.compress(b"x" * 200_000_000, 9))
        with pytest.raises(UserError, match="is a damaged image"):
            check_image(png((9, 9), b"\0" * 90, extra=packed), "logo.png", "logo")
    with pytest.raises(UserError, match="is a damaged image"):
        check_image(png((100_000, 100_000), b"\0" * 1000), "logo.png", "logo")


def test_no_process_decodes_but_the_cell_which_knows_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPCO_PORTAL__SECRET", "hunter2")
    real, environments = subprocess.run, []

    def run(*command: Any, **options: Any) -> Any:
        environments.append(options["env"])
        return real(*command, **options)

    monkeypatch.setattr(subprocess, "run", run)
    content = png((3, 2), b"\0\0\0\0" * 2)
    check_image(content, "logo.png", "logo")
    check_image(content, "stamp.png", "stamp")
    # The second time it is known.
    (environment,) = environments
    assert not [name for name in environment if name.startswith("OPCO_")]


def test_an_image_that_was_begun_early_is_decoded_once_and_its_fault_told_later(
    assets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, begun, decoded = subprocess.run, threading.Event(), []

    def run(*command: Any, **options: Any) -> Any:
        decoded.append(options["input"])
        begun.set()
        return real(*command, **options)

    monkeypatch.setattr(subprocess, "run", run)
    content = png((4, 3), b"\0\0\0\0\0" * 3)
    (assets / "logo.png").write_bytes(content)
    names = {"logo": "logo.png", "stamp": None}
    begin_to_read(assets, names)
    assert begun.wait(60)
    assert read_images(assets, names)["logo"].sha256 == hashlib.sha256(content).hexdigest()
    assert decoded == [content]
    begin_to_read(assets, {"logo": "none.png"})
    with pytest.raises(UserError, match=r"The logo none\.png is not in the assets folder"):
        read_images(assets, {"logo": "none.png"})


def test_cmyk_and_sixteen_bits_make_a_document_that_every_viewer_shows(campus: Any, tmp_path: Path) -> None:
    campus.build()
    campus.session("S", "Session", None, None)
    campus.learner("U1", "Dupont", "Marie")
    campus.connected("U1", "S", "C1", "2026-10-12 07:00:00", "2026-10-12 08:00:00")
    campus.enrolled("U1", "S")
    summary = issue_from(
        campus.close(),
        "S",
        AttestationInputs(logo="cmyk.jpg", stamp="sixteen-bit-scan.png"),
        folder=tmp_path / "issues",
        assets=PICTURES,
        issued_on=date(2027, 1, 15),
    )
    with pikepdf.open(summary.folder / summary.documents[0].file) as pdf:
        found = {
            (int(item["/Width"]), str(item["/ColorSpace"]), int(item["/BitsPerComponent"]))
            for item in pdf.objects
            if isinstance(item, pikepdf.Stream) and item.get("/Subtype") == "/Image"
        }
    # PDF/A has no colours of a printer without its profile.
    assert found == {(600, "/DeviceRGB", 8), (300, "/DeviceGray", 8)}
