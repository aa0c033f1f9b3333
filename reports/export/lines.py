"""The lines of an export in their order (E), handed out in batches, in memory that does not grow with their number.

Sorting whole lines by names is slow and large. So what is the same on all lines of a learner, a session or a course is
put together once for each of them, lines are sorted by whole numbers, and the texts join them batch by batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from reports.export.columns import Column, Kind, Level
from warehouse.sql import quoted_identifier
from warehouse.steps import TellStep

LINES_A_BATCH = 50_000

# Every line belongs to one member of each level. Ids compare by length, then by code point (T).
_KEYS = {Level.LEARNER: "user_id", Level.SESSION: "session_id", Level.COURSE: "course_id"}
_INSTANTS = ("connected_at", "disconnected_at")
ROW_ID = '" row_id"'
"""The column that tells lines apart, as SQL. No custom field's column begins with a blank, so none has such a name."""
_NAMES = {Level.LEARNER: ("last_name", "first_name")}


@dataclass(frozen=True)
class Selection:
    """The lines that pass an export's filters: `source` stands after `from`, its rows are called `fact`.

    Each has a `ROW_ID` beside the columns of the fact, or, `in_a_table`, those that differ from line to line.
    `is_limited` where the database is the export's own, in little memory.
    """

    source: str
    parameters: dict[str, object]
    count: int
    display_timezone: str
    is_limited: bool = False

    def in_a_table(self, db: duckdb.DuckDBPyConnection, columns: Sequence[Column]) -> Selection:
        """Return the selection as a temporary table, which takes as long to make as to look once what passes."""
        names = {column.name for column in columns if column.level is Level.CONNECTION}
        names |= {*_KEYS.values(), *_INSTANTS, "connected_on", "time_spent_minutes"}
        kept = ", ".join(f"fact.{quoted_identifier(name)}" for name in sorted(names))
        db.execute(
            f"create or replace temp table export_selection as select fact.{ROW_ID}, {kept} from {self.source}",
            self.parameters,
        )
        return replace(self, source="export_selection as fact", parameters={})


@dataclass(frozen=True)
class Part:
    """One value of a line: `sql` over `fact`, made of `columns` of one level."""

    columns: tuple[Column, ...]
    sql: str

    @property
    def level(self) -> Level:
        """Whose the value is."""
        return self.columns[0].level


@dataclass
class OrderedLines:
    """Batches of the selected lines, each made of `parts`. Uses temporary tables of `connection`; one at a time.

    A table made in an order keeps it: a row's `rowid` is the line's position.
    """

    db: duckdb.DuckDBPyConnection
    selection: Selection
    parts: Sequence[Part]
    progress: TellStep
    lines_a_batch: int = LINES_A_BATCH

    def __post_init__(self) -> None:
        with _one_thread(self.db) if self.selection.is_limited else nullcontext():
            for level in _KEYS:
                self._gather_members(level)
        self._gather_shifts()
        self._gather_lines()

    def batches(self, outputs: Sequence[str] = ()) -> Iterator[pa.RecordBatch]:
        """Yield the lines in order; a column for each of `outputs`, or for each part where there are none.

        `outputs` are SQL over `part_0`, `part_1`… and the line's `position`, counted from 0.
        """
        places = "".join(
            f", {part.sql if part.level is Level.CONNECTION else f'{part.level}.part_{number}'} as part_{number}"
            for number, part in enumerate(self.parts)
        )
        values = ", ".join(outputs or [f"part_{number}" for number in range(len(self.parts))])
        for first in range(0, self.selection.count, self.lines_a_batch):
            last = min(first + self.lines_a_batch, self.selection.count) - 1
            ranks = self.db.execute(
                "select min(learner_rank), max(learner_rank) from export_line where rowid between $first and $last",
                {"first": first, "last": last},
            ).fetchall()[0]
            # By a relation without parameters, whose rows become Arrow's on all threads; others' do so on one.
            lines = self.db.sql(
                f"""
                select position, {values}
                from (
                    select fact.rowid as position {places}
                    from export_line as fact
                    inner join {table_of(Level.LEARNER)} as learner on fact.learner_rank = learner.rowid
                    inner join {table_of(Level.SESSION)} as session on fact.session_rank = session.rowid
                    inner join {table_of(Level.COURSE)} as course on fact.course_rank = course.rowid
                    where fact.rowid between {first} and {last} and learner.rowid between {ranks[0]} and {ranks[1]}
                )
                """
            ).to_arrow_table()
            yield from _in_order(lines).remove_column(0).to_batches()
            self.progress(last + 1, self.selection.count, "")

    def _gather_members(self, level: Level) -> None:
        """Make the table of a level in the order of the file: each member, and the parts that all of its lines share.

        The rank of a member is its `rowid`: to number rows takes all of them in memory, to sort them does not.
        """
        key = _KEYS[level]
        parts = [(number, part) for number, part in enumerate(self.parts) if part.level is level]
        needed = {column.name for _, part in parts for column in part.columns} | set(_NAMES.get(level, ()))
        columns = "".join(f", fact.{quoted_identifier(name)}" for name in sorted(needed - {key}))
        order = "".join(f"nullif(lower(strip_accents({name})), '') nulls last, " for name in _NAMES.get(level, ()))
        values = "".join(f", {part.sql} as part_{number}" for number, part in parts)
        self.db.execute(
            f"""
            create or replace temp table {table_of(level)} as
            select {key} {values}
            from (
                select fact.{key} {columns}
                from {rows_of(level, self.selection)}
            ) as fact
            order by {order}length({key}), {key}
            """,
            self.selection.parameters,
        )

    def _gather_shifts(self) -> None:
        """Make the table of UTC days and how far the display time zone is ahead; null on a day when that changes.

        Asking for the time zone of each instant would take a third of an export's time.
        """
        local = local_instant("day", "$display_timezone")
        next_local = local_instant("day + interval 1 day", "$display_timezone")
        self.db.execute(
            f"""
            create or replace temp table export_day as
            select day, case when {local} - day = {next_local} - (day + interval 1 day) then {local} - day end as shift
            from (
                select
                    unnest(generate_series(
                        date_trunc('day', min(fact.connected_at)),
                        max(greatest(fact.connected_at, fact.disconnected_at)),
                        interval 1 day
                    )) as day
                from {self.selection.source}
            )
            """,
            {**self.selection.parameters, "display_timezone": self.selection.display_timezone},
        )

    def _gather_lines(self) -> None:
        """Make the table of lines in their order: ranks, instants in UTC and as displayed, what else the parts need.

        One connection a learner, session, course and instant (T4): the connection's id never decides.
        """
        needed = {column.name for part in self.parts if part.level is Level.CONNECTION for column in part.columns}
        columns = "".join(f", fact.{quoted_identifier(name)}" for name in sorted(needed - set(_INSTANTS)))
        members = " ".join(
            f"inner join {table_of(level)} as {level} on fact.{key} = {level}.{key}" for level, key in _KEYS.items()
        )
        self.db.execute(
            f"""
            create or replace temp table export_line as
            select
                cast(learner.rowid as integer) as learner_rank,
                cast(session.rowid as integer) as session_rank,
                cast(course.rowid as integer) as course_rank,
                fact.connected_at,
                fact.disconnected_at,
                {", ".join(map(displayed, _INSTANTS))}
                {columns}
            from {as_displayed(self.selection)}
            {members}
            order by learner_rank, fact.connected_at, session_rank, course_rank
            """,
            {**self.selection.parameters, "display_timezone": self.selection.display_timezone},
        )


@contextmanager
def _one_thread(db: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Let one thread sort: several divide the memory, and of 200,000 learners each may have too little to go on."""
    ((threads,),) = db.execute("select current_setting('threads')").fetchall()
    db.execute("set threads = 1")
    try:
        yield
    finally:
        db.execute(f"set threads = {threads}")


def _in_order(lines: pa.Table) -> pa.Table:
    """Return `lines` by their first column. A join keeps the order of its larger side, but does not promise to."""
    steps = pc.min_max(pc.pairwise_diff(lines.column(0).combine_chunks()))
    is_in_order = {steps["min"].as_py(), steps["max"].as_py()} <= {None, 1}
    return lines if is_in_order else lines.sort_by("position")


def rows_of(level: Level, selection: Selection) -> str:
    """Return what stands after `from` for a row of each member of a level, called `fact`, with the level's columns.

    Of a connection that is a line.
    """
    if level is Level.CONNECTION:
        return selection.source
    if level is Level.LEARNER:
        # What is a learner's, custom fields included, has a row of its own.
        return f"dim_learners as fact where fact.user_id in (select fact.user_id from {selection.source})"
    first = f"select min(fact.{ROW_ID}) from {selection.source} group by fact.{_KEYS[level]}"
    return f"fct_opco_connections as fact where fact.rowid in ({first})"


def table_of(level: Level) -> str:
    """Return the temporary table of a level's members."""
    return f"export_{level}"


def as_displayed(selection: Selection) -> str:
    """Return a source like the selection's with two more columns, the instants as displayed (`displayed`).

    It needs the table of days that ordered lines make.
    """
    local = "".join(
        f", case when {name}_day.shift is null then {local_instant(f'fact.{name}', '$display_timezone')} "
        f"else fact.{name} + {name}_day.shift end as {_local(name)}"
        for name in _INSTANTS
    )
    days = " ".join(
        f"left join export_day as {name}_day on date_trunc('day', fact.{name}) = {name}_day.day" for name in _INSTANTS
    )
    return f"(select fact.* {local} from {selection.source} {days}) as fact"


def displayed(instant: str) -> str:
    """Return the SQL of an instant of the fact as displayed, over the source of `as_displayed` or ordered lines."""
    return f"fact.{_local(instant)}"


def _local(instant: str) -> str:
    return f'" {instant}_local"'


def local_instant(instant: str, zone: str) -> str:
    """Return the SQL of a UTC timestamp's wall-clock time in `zone`."""
    return f"timezone({zone}, timezone('UTC', {instant}))"


def printed(column: Column) -> str:
    """Return the SQL of a column's text as the file prints it (E), null where the cell is empty, over ordered lines."""
    name = f"fact.{quoted_identifier(column.name)}"
    match column.kind:
        case Kind.TEXT:
            return f"nullif({name}, '')"
        case Kind.TEXTS:
            return f"nullif(array_to_string({name}, ', '), '')"
        case Kind.DATE:
            return f"strftime({name}, '%d/%m/%Y')"
        case Kind.INSTANT:
            return f"strftime({displayed(column.name)}, '%d/%m/%Y %H:%M')"
        case Kind.DURATION_MINUTES:
            # A clock's hours and minutes in a third of the time.
            return (
                f"case when {name} between 0 and 1439 then strftime(make_timestamp({name} * 60_000_000), '00:%H:%M') "
                f"else printf('%02d:%02d:%02d', {name} // 1440, {name} // 60 % 24, {name} % 60) end"
            )
        case Kind.SECONDS | Kind.COUNT | Kind.TOTAL_MINUTES:
            return f"cast({name} as varchar)"
        case Kind.MONTH:
            return f"strftime({name}, '%m/%Y')"
        case Kind.DECIMAL_HOURS:
            # So many decimals that the sum of all rows of a spreadsheet is right to the second.
            return f"rtrim(rtrim(printf('%.10f', {name} / 60.0), '0'), '.')"
