"""Reading delivered files: what the raw contract says under "Reading"."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from warehouse.contract import raw_tables
from warehouse.errors import UserError
from warehouse.readers import FileReading, ReadSettings, read_file

Read = Callable[..., tuple[FileReading, list[dict[str, Any]]]]


def test_csv_keeps_cells_as_delivered_with_their_lines(read: Read) -> None:
    content = b'\xef\xbb\xbf User_ID ;LAST_NAME;Shoe size\r\n1; Dupont ;42\r\n\r\n2;"de ""La""\nTour";41\n3;NULL;\n'
    reading, rows = read("users", "users.csv", content)
    assert reading == FileReading(rows=3, unlisted_columns=("shoe size",))
    assert [(row["file"], row["line"], row["user_id"], row["last_name"]) for row in rows] == [
        ("users.csv", 2, "1", " Dupont "),
        ("users.csv", 4, "2", 'de "La"\nTour'),
        ("users.csv", 6, "3", "NULL"),
    ]
    assert all(row["email"] is None and row["malformed_line"] is None for row in rows)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (b"group_id;name;parent_group_id\na;b,c;d\n", ("a", "b,c", "d")),
        (b"group_id\tname\na\tb;c,d\n", ("a", "b;c,d", None)),
        (b'group_id,"na;me",name\na,x,b\n', ("a", "b", None)),
        (b"group_id,name;comment\n", None),
    ],
)
def test_csv_delimiter_is_the_one_with_most_listed_columns(
    read: Read, header: bytes, expected: tuple[str | None, ...] | None
) -> None:
    if expected is None:
        with pytest.raises(UserError, match="lacks the required column name"):
            read("groups", "groups.csv", header)
        return
    _, rows = read("groups", "groups.csv", header)
    assert [(row["group_id"], row["name"], row["parent_group_id"]) for row in rows] == [expected]


def test_of_a_malformed_record_the_first_line_is_kept_up_to_200_characters(read: Read) -> None:
    record = f'"{"é" * 240}\nsecond line",b,too many'
    _, rows = read("groups", "groups.csv", f"group_id,name\n{record}\n".encode())
    assert [row["malformed_line"] for row in rows] == ['"' + "é" * 199]


def test_csv_malformed_records_are_counted_and_nothing_after_them_is_lost(read: Read) -> None:
    content = b'group_id,name\na,A\nb,B,too many\nc\nd,"D"x\ne,"E\nstill E"x\nf\rg,F\ng,plain "quote"\nh,H\n'
    reading, rows = read("groups", "groups.csv", content)
    assert reading.rows == 8
    assert [(row["line"], row["malformed_line"]) for row in rows if row["malformed_line"] is not None] == [
        (3, "b,B,too many"),
        (4, "c"),
        (5, 'd,"D"x'),
        (6, 'e,"E'),
        (8, "f\rg,F"),
    ]
    assert [(row["line"], row["group_id"], row["name"]) for row in rows if row["malformed_line"] is None] == [
        (2, "a", "A"),
        (9, "g", 'plain "quote"'),
        (10, "h", "H"),
    ]


def test_csv_a_quote_never_closed_stops_the_load(read: Read) -> None:
    with pytest.raises(UserError, match=r"groups\.csv, line 3: a quote opens that is never closed"):
        read("groups", "groups.csv", b'group_id,name\na,A\nb,"B\nc,C\n')


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "has no header"),
        (b"\r\n\n", "has no header"),
        (b"group_id\na\n", "lacks the required column name"),
        (b"group_id,name,NAME\na,A,B\n", "column name of table groups stands twice"),
        (b'group_id,"name"x\na,A\n', "header of table groups is malformed"),
        (b'group_id,"name\na,A\n', r"groups\.csv, line 1: a quote opens that is never closed"),
        (b"group_id,name\ra,A\r", "its lines end with CR alone"),
        (b"sep=;\ngroup_id;name\na;A\n", r"lacks the required columns group_id, name. Columns found: sep=;?\."),
        (b"group_id,na\xa0me\na,A\n", "table groups is not UTF-8"),
    ],
)
def test_csv_headers_that_stop_the_load(read: Read, content: bytes, message: str) -> None:
    with pytest.raises(UserError, match=message):
        read("groups", "groups.csv", content)


def test_a_header_alone_is_an_empty_table(read: Read) -> None:
    reading, rows = read("groups", "groups.csv", b"\n\ngroup_id,name\n")
    assert (reading.rows, rows) == (0, [])


def test_json_lines_take_values_as_written(read: Read) -> None:
    content = (
        b'{"group_id": 1.50, "NAME": true, "parent_group_id": null}\n'
        b" \r\n"
        b'{"group_id": "b", "name": {"fr": ["B", 1]}, "colour": "red"}\n'
        b"[1, 2]\n"
        b'{"group_id": NaN, "name": "c"}\n'
        b'{"group_id": "d", "name": "' + b"\x0b" + b'"}\n'
        b'{"group_id": "e", "name": "\\ud800"}\n'
        b"not json\n"
        b'{"group_id": "f", "name": "F"}'
    )
    reading, rows = read("groups", "groups.jsonl", content)
    assert reading == FileReading(rows=8, unlisted_columns=("colour",))
    kept = [row for row in rows if row["malformed_line"] is None]
    assert [(row["line"], row["group_id"], row["name"], row["unfit_columns"]) for row in kept] == [
        (1, "1.50", "true", None),
        (3, "b", '{"fr": ["B", 1]}', ["name"]),
        (9, "f", "F", None),
    ]
    assert [row["line"] for row in rows if row["malformed_line"] is not None] == [4, 5, 6, 7, 8]


def test_json_lines_lack_a_column_when_no_object_has_it(read: Read) -> None:
    with pytest.raises(UserError, match="lacks the required column name"):
        read("groups", "groups.jsonl", b'{"group_id": "a"}\n{"group_id": "b"}\n')
    reading, _ = read("groups", "groups.jsonl", b'{"group_id": "a"}\n{"group_id": "b", "name": "B"}\n')
    assert reading.rows == 2
    reading, _ = read("groups", "groups.jsonl", b"\n")
    assert reading.rows == 0


def test_gzip(read: Read) -> None:
    content = gzip.compress(b"group_id,name\na,A\n")
    _, rows = read("groups", "groups.csv.gz", content)
    assert [(row["group_id"], row["line"]) for row in rows] == [("a", 2)]
    for broken in (content[:-6], b"group_id,name\n"):
        with pytest.raises(UserError, match=r"groups\.csv\.gz: the gzip file is broken"):
            read("groups", "groups.csv.gz", broken)


def test_parquet_natural_types_become_their_text(read: Read, tmp_path: Path) -> None:
    source = tmp_path / "made.parquet"
    duckdb.sql(
        f"""
        copy (
            select
                7 as attempt_id, 'u' as user_id, 'c' as "COURSE_ID",
                timestamp '2026-09-01 08:00:00.5' as first_activity_at,
                timestamptz '2026-09-01 08:00:00+02' as last_activity_at, date '2026-09-01' as completed_at,
                60::ubigint as time_spent_seconds, 0.00001::double as progress_pct, 12.50::decimal(5, 2) as score_pct,
                ['x'] as session_id, 1 as colour
        ) to '{source}' (format parquet)
        """
    )
    reading, rows = read("course_attempts", "course_attempts.parquet", source.read_bytes())
    assert reading == FileReading(rows=1, unlisted_columns=("colour",))
    (row,) = rows
    assert row["line"] == 1
    assert (row["attempt_id"], row["course_id"], row["time_spent_seconds"]) == ("7", "c", "60")
    assert row["first_activity_at"] == "2026-09-01T08:00:00.500000"
    assert row["last_activity_at"] == "2026-09-01T06:00:00.000000Z"
    assert row["completed_at"] == "2026-09-01"
    assert (row["progress_pct"], row["score_pct"]) == ("0.000010000000000", "12.50")
    assert (row["session_id"], row["unfit_columns"]) == ('["x"]', ["session_id"])


def test_parquet_that_is_none(read: Read) -> None:
    with pytest.raises(UserError, match=r"groups\.parquet: the Parquet file cannot be read"):
        read("groups", "groups.parquet", b"group_id,name\n")


def test_many_rows_pass_in_slices(read: Read) -> None:
    count = 120_001
    content = b"group_id,name\n" + b"".join(b"%d,G\n" % number for number in range(count))
    reading, rows = read("groups", "groups.csv", content)
    assert reading.rows == count
    assert (rows[-1]["line"], rows[-1]["group_id"]) == (count + 1, str(count - 1))


def test_a_record_of_a_log_with_bytes_that_are_no_utf_8_is_malformed_whatever_its_column(read: Read) -> None:
    content = b'attempt_id,user_id,course_id,junk\n1,u,c,\xff\n2,u,c,"a\n\xff"\n3,u,c,ok\n'
    reading, rows = read("course_attempts", "a.csv", content)
    assert reading.read_as == ""
    assert [row["line"] for row in rows if row["malformed_line"] is not None] == [2, 3]
    assert [row["attempt_id"] for row in rows if row["malformed_line"] is None] == ["3"]
    ids = b'{"attempt_id": 1, "user_id": "u", "course_id": "c", "junk": "'
    _, rows = read("course_attempts", "b.jsonl", ids + b'x"}\n' + ids + b'\xff"}\n')
    assert [row["malformed_line"] is None for row in rows] == [True, False]
    with pytest.raises(
        UserError, match=r"header of table course_attempts is malformed \(not UTF-8\). It looks like utf-16"
    ):
        read("course_attempts", "c.csv", "attempt_id,user_id,course_id\n1,u,c\n".encode("utf-16"))


@pytest.mark.parametrize(
    ("encoding", "suspected"),
    [
        ("windows-1252", "windows-1252"),
        ("cp850", "cp850"),
        ("mac-roman", "mac-roman"),
        ("utf-16", "utf-16"),
        ("utf-16-le", "utf-16-le"),
        ("utf-16-be", "utf-16"),
    ],
)
@pytest.mark.parametrize("suffix", ["csv", "jsonl.gz"])
def test_a_snapshot_that_is_not_utf_8_stops_the_load_unless_a_setting_names_its_encoding(
    read: Read, encoding: str, suspected: str, suffix: str
) -> None:
    text = "user_id,last_name\n1,Léa Noël\n" if suffix == "csv" else '{"user_id": "1", "last_name": "Léa Noël"}\n'
    content = text.encode(encoding)
    content = gzip.compress(content) if suffix.endswith("gz") else content
    with pytest.raises(UserError, match=f'users is not UTF-8. It looks like {suspected}.* encoding = "{suspected}"'):
        read("users", f"users.{suffix}", content)
    reading, rows = read("users", f"users.{suffix}", content, ReadSettings(encoding))
    assert [(row["user_id"], row["last_name"]) for row in rows] == [("1", "Léa Noël")]
    assert reading.read_as == encoding
    # What is UTF-8 is read as such, whatever the setting.
    reading, rows = read("users", "users.csv", "user_id,last_name\n1,Léa\n".encode(), ReadSettings(encoding))
    assert (rows[0]["last_name"], reading.read_as) == ("Léa", "utf-8")


def test_what_is_in_neither_encoding_is_malformed_or_stops_the_load(read: Read) -> None:
    content = b"attempt_id,user_id,course_id\n1,u,c\n2,\x81,c\n3,\xe9,c\n"
    _, rows = read("course_attempts", "a.csv", content, ReadSettings("windows-1252"))
    assert [(row["attempt_id"], row["user_id"], row["malformed_line"]) for row in rows if row["line"] != 2] == [
        (None, None, "2,?,c"),
        ("3", "é", None),
    ]
    with pytest.raises(UserError, match=r"users\.csv, line 3: is neither UTF-8 nor windows-1252"):
        read("users", "users.csv", b"user_id\n\xe9\n\x81\n", ReadSettings("windows-1252"))
    with pytest.raises(UserError, match="is neither UTF-8 nor utf-16"):
        read("course_attempts", "a.csv", content + b"\xff", ReadSettings("utf-16"))


def test_a_line_of_more_than_sixteen_mebibytes_stops_the_load(read: Read) -> None:
    long = b"x" * (16 * 1024**2 - 2)
    reading, _ = read("groups", "groups.csv", b"group_id,name\na," + long + b"\r\n")
    assert reading.rows == 1
    for name, content in (
        ("groups.csv", b"group_id,name\na,x" + long),
        ("groups.jsonl.gz", gzip.compress(b"{" * 2**25)),
    ):
        with pytest.raises(UserError, match=r"line [12]: is longer than 16 MiB"):
            read("groups", name, content)


def test_what_unpacks_to_more_than_it_may_stops_the_load(read: Read, tmp_path: Path) -> None:
    rows = b"group_id,name\n" + b"a,A\n" * 10_000
    with pytest.raises(UserError, match=r"groups\.csv\.gz: unpacks to more than 40,000 bytes"):
        read("groups", "groups.csv.gz", gzip.compress(rows), ReadSettings(max_unpacked=40_000))
    reading, _ = read("groups", "groups.csv.gz", gzip.compress(rows), ReadSettings(max_unpacked=len(rows)))
    assert reading.rows == 10_000
    source = tmp_path / "made.parquet"
    duckdb.sql(f"copy (select 'a' as group_id, 'A' as name from range(1_000_000)) to '{source}'")
    assert source.stat().st_size < 40_000
    with pytest.raises(UserError, match=r"groups\.parquet: unpacks to more than 1,000,000 bytes"):
        read("groups", "groups.parquet", source.read_bytes(), ReadSettings(max_unpacked=1_000_000))


@pytest.mark.parametrize("depth", [101, 5_000, 200_000])
@pytest.mark.parametrize("key", ["name", "junk"])
def test_json_of_any_depth_costs_one_row(read: Read, depth: int, key: str) -> None:
    nested = "[" * depth + "]" * depth
    content = f'{{"group_id": "a", "name": "A"}}\n{{"group_id": "b", "name": "B", "{key}": {nested}}}\n'
    _, rows = read("groups", "groups.jsonl", content.encode())
    assert [(row["group_id"], row["malformed_line"] is None) for row in rows] == [("a", True), (None, False)]
    nested = "[" * 99 + "]" * 99
    _, rows = read("groups", "groups.jsonl", f'{{"group_id": "b", "name": {nested}}}\n'.encode())
    assert [(row["name"], row["unfit_columns"]) for row in rows] == [(nested, ["name"])]


def test_names_are_trimmed_of_blanks_that_nobody_sees(read: Read) -> None:
    content = "\ufeff\ufeffgroup_id\u00a0;\u200bNAME\u202f;;\na;A;;\n".encode()
    reading, rows = read("groups", "groups.csv", content)
    assert reading.unlisted_columns == ("",)
    assert [(row["group_id"], row["name"]) for row in rows] == [("a", "A")]
    _, rows = read("groups", "groups.jsonl", '\u00a0{"\u200bgroup_id": "a", "Name ": "A"}\n\ufeff \n'.encode())
    assert [(row["group_id"], row["name"]) for row in rows] == [("a", "A")]


def test_json_of_a_list_keeps_its_numbers_as_written(read: Read) -> None:
    digits = b"1" * 5000
    content = b'{"user_id": "u", "label": ["a", 1.10, 1e5, {"b": null}], "junk": ' + digits + b"}\n"
    _, rows = read("user_labels", "a.jsonl", content)
    assert (rows[0]["label"], rows[0]["unfit_columns"]) == ('["a", 1.10, 1e5, {"b": null}]', ["label"])


@pytest.mark.parametrize(
    ("number", "expected"),
    [("8.2", "8.2"), ("'nan'", "nan"), ("1e-7", "0.000000100000000"), ("1e30", "1e+30"), ("100", "100.0")],
)
def test_parquet_doubles_are_taken_as_they_read(read: Read, tmp_path: Path, number: str, expected: str) -> None:
    source = tmp_path / "made.parquet"
    columns = "'a' as attempt_id, 'u' as user_id, 'c' as course_id"
    duckdb.sql(f"copy (select {columns}, {number}::double as score_pct) to '{source}'")
    _, rows = read("course_attempts", "course_attempts.parquet", source.read_bytes())
    assert rows[0]["score_pct"] == expected


def test_parquet_names_are_taken_literally(tmp_path: Path) -> None:
    folder = tmp_path / "user_id=9" / "[x]"
    folder.mkdir(parents=True)
    for name, value in (("part-[0].parquet", "right"), ("part-0.parquet", "wrong")):
        duckdb.sql(f"copy (select '1' as user_id, '{value}' as label) to '{tmp_path / 'made.parquet'}'")
        (tmp_path / "made.parquet").rename(folder / name)
    read_file(
        folder / "part-[0].parquet", raw_tables()["user_labels"], "part-[0].parquet", tmp_path / "archived.parquet"
    )
    assert duckdb.sql(f"select user_id, label from '{tmp_path / 'archived.parquet'}'").fetchall() == [("1", "right")]


def test_parquet_columns_of_odd_names(read: Read, tmp_path: Path) -> None:
    source = tmp_path / "made.parquet"
    duckdb.sql(
        "copy (select 'u' || n as user_id, 'x' as label, 7 as file_row_number from range(3) as r (n) order by n) "
        f"to '{source}'"
    )
    reading, rows = read("user_labels", "user_labels.parquet", source.read_bytes())
    assert reading.unlisted_columns == ("file_row_number",)
    assert [(row["line"], row["user_id"]) for row in rows] == [(1, "u0"), (2, "u1"), (3, "u2")]
    pq.write_table(pa.table([["u"], ["v"], ["x"]], names=["User_ID", "user_id", "label"]), source)
    with pytest.raises(UserError, match="column user_id of table user_labels stands twice"):
        read("user_labels", "user_labels.parquet", source.read_bytes())
    pq.write_table(pa.table([[b"u"], ["é".encode()]], names=["user_id", "label"]), source)
    _, rows = read("user_labels", "user_labels.parquet", source.read_bytes())
    assert rows[0]["label"] == "é"


@pytest.mark.parametrize("kind", ["double", "float", "decimal(10, 2)"])
def test_parquet_ids_and_texts_that_are_floats_fit_no_type(read: Read, tmp_path: Path, kind: str) -> None:
    source = tmp_path / "made.parquet"
    duckdb.sql(
        f"copy (select 1001::{kind} as user_id, 'a' as label union all select null, 'b' order by label) to '{source}'"
    )
    _, rows = read("user_labels", "user_labels.parquet", source.read_bytes())
    assert [(row["label"], row["unfit_columns"]) for row in rows] == [("a", ["user_id"]), ("b", None)]


def test_parquet_ids_that_are_whole_numbers_keep_their_digits(read: Read, tmp_path: Path) -> None:
    source = tmp_path / "made.parquet"
    duckdb.sql(
        f"copy (select 9007199254740993::bigint as user_id, 12::decimal(18, 0) as label, date '2026-10-01' as junk) "
        f"to '{source}'"
    )
    _, rows = read("user_labels", "user_labels.parquet", source.read_bytes())
    assert [(row["user_id"], row["label"], row["unfit_columns"]) for row in rows] == [("9007199254740993", "12", None)]
