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
from warehouse.readers import FileReading, read_file

Read = Callable[[str, str, bytes], tuple[FileReading, list[dict[str, Any]]]]


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


def test_csv_malformed_records_are_counted_and_nothing_after_them_is_lost(read: Read) -> None:
    content = b'group_id,name\na,A\nb,B,too many\nc\nd,"D"x\ne,"E\nstill E"x\nf,\xff\xfe\ng,plain "quote"\nh,H\n'
    reading, rows = read("groups", "groups.csv", content)
    assert reading.rows == 8
    assert [(row["line"], row["malformed_line"]) for row in rows if row["malformed_line"] is not None] == [
        (3, "b,B,too many"),
        (4, "c"),
        (5, 'd,"D"x'),
        (6, 'e,"E'),
        (8, "f,??"),
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
        (b"group_id,name\xff\na,A\n", "header of table groups is malformed"),
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
        b'{"group_id": "d", "name": "\xff"}\n'
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


def test_a_record_with_bytes_that_are_no_utf_8_is_malformed_whatever_its_column(read: Read) -> None:
    _, rows = read("user_labels", "a.csv", b'user_id,label,junk\n1,x,\xff\n2,y,"a\n\xff"\n3,z,ok\n')
    assert [row["line"] for row in rows if row["malformed_line"] is not None] == [2, 3]
    assert [row["user_id"] for row in rows if row["malformed_line"] is None] == ["3"]
    _, rows = read("user_labels", "b.jsonl", b'{"user_id": 1, "label": "x", "junk": "\xff"}\n')
    assert [row["malformed_line"] is None for row in rows] == [False]


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
