"""Downloads in any encoding and with any separator are the same table; what is no whole table says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.text_tables import UnreadableTableError, heading, read_text_table

ROWS = (("Prénom", "E-mail"), ("Zoé", "zoe@example.fr"))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "windows-1252"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_encodings_separators_and_line_ends_make_no_difference(
    tmp_path: Path, encoding: str, delimiter: str, end: str
) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes("".join(delimiter.join(row) + end for row in ROWS).encode(encoding))
    table = read_text_table(path)
    assert tuple(record.cells for record in table.records) == ROWS
    assert [record.line for record in table.records] == [1, 2]


def test_a_comma_inside_a_time_parts_no_cells(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("Name\tJoined\tLeft\nZoé\t10/5/26, 2:03:11 PM\t10/5/26, 3:00:00 PM\n", encoding="utf-8")
    assert read_text_table(path).records[1].cells == ("Zoé", "10/5/26, 2:03:11 PM", "10/5/26, 3:00:00 PM")


def test_a_quoted_line_break_is_of_its_record(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text('a,b\n"one\ntwo",1\n\nx,2\n', encoding="utf-8")
    assert [(record.line, record.cells[0]) for record in read_text_table(path).records] == [
        (1, "a"), (2, "one\ntwo"), (5, "x")
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "it is empty"),
        (b"\xef\xbb\xbf \r\n", "it is empty"),
        (b"PK\x03\x04and more", "it is a workbook"),
        (b'a,b\n1,2\n"cut here', "line 3 ends inside quotes: it is cut"),
        ("a;Zo\u00e9".encode()[:-1], "it ends inside a letter: it is cut"),
        ("a\tb".encode("utf-16")[:-1], "it ends inside a letter: it is cut"),
        (b"a,b\nZo\xe9,\x81", "byte 9 fits no encoding"),
    ],
)
def test_what_is_no_whole_table_says_what_is_wrong(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(content)
    with pytest.raises(UnreadableTableError, match=words):
        read_text_table(path)


def test_headings_differ_in_no_apostrophe_case_or_blank() -> None:
    assert heading(" Nom de  l’Événement ") == heading("nom de l'événement")
