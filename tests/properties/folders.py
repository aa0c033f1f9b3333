"""Raw folders drawn by hypothesis: a few instants on a grid, so that equal, touching and nested ones are common.

Most values are good. Some rows are spoiled in one way that the raw contract names, some take the key of a row before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import TypeVar

from hypothesis import strategies as st

from tests.properties.built import Cells, RawFolder, table_of
from tests.properties.reference import BLANKS as READ_AS_BLANK
from tests.properties.reference import Connection, Rules, instant

Item = TypeVar("Item")

BLANKS = ("", " ", "\t", "\u00a0 ", "\u202f", "\u200b", "\ufeff")
GROWING = ("course_connections", "learning_events")
WITHDRAWALS = {
    "learning_events": ("withdrawn_events", "event_id"),
    "course_connections": ("withdrawn_connections", "connection_id"),
}
PILING = (*GROWING, *(table for table, _ in WITHDRAWALS.values()))

# Short before long, and what needs escaping in the JSON that connection_id is made from.
USER_IDS = ("1", "2", "10", "99", "100", "a", "A", "é", 'q"q', "b\\s", "🙂", "x/y", "user 7", "0", "00", "zz9")
EMAILS = ("", "NULL", "ada@exemple.fr", "ADA@Exemple.fr", "é@exemple.fr", "É@exemple.fr")
SESSION_IDS = ("9", "10", 'é"\\')
COURSE_IDS = ("c1", "c2", "c10")
# Beginnings of a learner's grid, as a clock shows them: an ordinary day, midnight in Paris, both changes of clocks, the
# hour that exists twice, fifteen minutes before what the build's clock takes, and the year 2000.
BEGINNINGS = (
    *["2026-09-01T08:00"] * 6,
    "2026-09-01T21:40",
    "2026-10-25T01:40",
    "2026-10-25T02:05",
    "2026-03-29T01:40",
    "2026-11-20T08:15",
    "1999-12-31T23:40",
)
FORMS = ("{}Z", "{}Z", "{}+00:00", "{}+02:00", "{}")
# Exactly the inactivity timeouts that are tried.
STEPS = (timedelta(minutes=5), timedelta(minutes=15))
OFFSETS = (
    [timedelta()],
    [timedelta(seconds=seconds) for seconds in (0, 0, 0, 1, 59, 60)],
    [timedelta(microseconds=microseconds) for microseconds in (0, 0, 0, 1, 400_000, 600_000, 999_999, 60_000_000)],
)
FILES = ("{}/2026-10.csv", "{}/2026-9.jsonl", "{}.csv")


@dataclass(frozen=True)
class Grid:
    """Where and when one learner is active: places as (session, course, attempt), and instants."""

    places: list[tuple[str, str, str]]
    beginning: datetime
    step: timedelta
    offsets: list[timedelta]
    form: str


GRIDS = st.builds(
    Grid,
    st.lists(
        st.tuples(
            st.sampled_from([SESSION_IDS[0], *SESSION_IDS]),
            st.sampled_from(COURSE_IDS),
            st.sampled_from(["", "a1"]),
        ),
        min_size=2,
        max_size=3,
    ),
    st.sampled_from([datetime.fromisoformat(beginning) for beginning in BEGINNINGS]),
    st.sampled_from(STEPS),
    st.sampled_from(OFFSETS),
    st.sampled_from(FORMS),
)


@st.composite
def instants(draw: st.DrawFn, grid: Grid) -> str:
    """Draw a cell that holds an instant of the grid."""
    instant = grid.beginning + draw(st.integers(0, 6)) * grid.step + draw(st.sampled_from(grid.offsets))
    return grid.form.format(instant.isoformat(" "))


@st.composite
def bounds(draw: st.DrawFn, grid: Grid) -> str:
    """Draw a cell that holds a beginning or an end: nothing, an instant of the grid, or its day."""
    instant = draw(instants(grid))
    return draw(st.sampled_from(["", instant, instant, instant[:10]]))


@st.composite
def rarely(draw: st.DrawFn, value: str, *others: str, one_in: int) -> str:
    """Draw `value`, or about once in `one_in` times one of the others."""
    return draw(st.sampled_from(others)) if draw(st.integers(0, one_in - 1)) == one_in // 2 else value


@st.composite
def spoiled(draw: st.DrawFn, cells: dict[str, str], faults: Sequence[tuple[str, str]]) -> Cells:
    """Draw a row: as it is, or about once in twelve times with one of the faults, each a column and its cell.

    As often it has blanks around its cells, which say nothing.
    """
    choice = draw(st.integers(0, 11))
    if choice == 6:
        column, cell = draw(st.sampled_from(faults))
        return {**cells, column: cell}
    if choice == 7:
        before, after = draw(st.tuples(st.sampled_from(BLANKS), st.sampled_from(BLANKS)))
        return {column: f"{before}{cell}{after}" for column, cell in cells.items()}
    return cells


EVENT_FAULTS = (
    ("user_id", ""),
    ("user_id", "nobody"),
    ("session_id", "lost"),
    ("session_id", "never"),
    ("course_id", ""),
    ("course_id", "never"),
    ("verb", ""),
    ("verb", "opened"),
    ("occurred_at", ""),
    ("occurred_at", "2026-02-30T08:00:00Z"),
)


@st.composite
def events(draw: st.DrawFn, user_id: str, grid: Grid) -> Cells:
    """Draw an event. Course c10 has no opening marks without an attempt, so that unmarked groups are common."""
    session_id, course_id, attempt_id = draw(st.sampled_from(grid.places))
    verb = draw(st.sampled_from(["active", "connected", "disconnected", "completed", "Active"]))
    if verb == "connected" and course_id != "c1" and not attempt_id:
        verb = "active"
    cells = {
        "user_id": user_id,
        "session_id": draw(rarely(session_id, "", one_in=5)),
        "course_id": course_id,
        "verb": verb,
        "occurred_at": draw(instants(grid)),
        "attempt_id": attempt_id,
    }
    return draw(spoiled(cells, EVENT_FAULTS))


CONNECTION_FAULTS = (
    ("user_id", ""),
    ("user_id", "nobody"),
    ("session_id", ""),
    ("session_id", "lost"),
    ("course_id", "never"),
    ("connected_at", ""),
    ("connected_at", "yesterday"),
    ("disconnected_at", "later"),
    ("disconnected_at", "2025-01-01T00:00:00Z"),
    ("connected_at", "1999-12-31T23:59:59.999999Z"),
)


@st.composite
def connections(draw: st.DrawFn, user_id: str, grid: Grid) -> Cells:
    """Draw a native connection, open about once in six times."""
    session_id, course_id, attempt_id = draw(st.sampled_from(grid.places))
    # As a clock shows them, the end may stand before the beginning: in the hour that exists twice, or by mistake.
    begin, end = sorted(draw(st.tuples(instants(grid), instants(grid))), reverse=draw(st.integers(0, 9)) == 5)
    cells = {
        "user_id": user_id,
        "session_id": session_id,
        "course_id": course_id,
        "connected_at": begin,
        "disconnected_at": draw(rarely(end, "", one_in=6)),
        "end_reason": draw(st.sampled_from(["", "left", "completed", "Abandoned", "timeout", "unknown", "vanished"])),
        "evidence_level": draw(st.sampled_from(["", "", "native_log", "attempt_span", "guess"])),
        "modality": draw(st.sampled_from(["", "", "sync", "Async", "live"])),
        "attempt_id": attempt_id,
    }
    return draw(spoiled(cells, CONNECTION_FAULTS))


def identities() -> st.SearchStrategy[dict[str, int]]:
    """Draw which accounts are whose, as `identities.csv` would say it: nobody's, or of a few learners several each."""
    return st.one_of(
        st.just({}), st.dictionaries(st.sampled_from(USER_IDS), st.integers(1, 3), min_size=6, max_size=10)
    )


@st.composite
def raw_folders(draw: st.DrawFn) -> RawFolder:
    """Draw a delivery of a few learners, with their events, connections and enrolments."""

    def several(rows: st.SearchStrategy[Item], count: int) -> list[Item]:
        # Lists are short when left alone, and a least size alone could not be made smaller once a test fails.
        return draw(st.lists(rows, min_size=draw(st.sampled_from([0, count * 2 // 3])), max_size=count))

    user_ids = list(dict.fromkeys([USER_IDS[0], *several(st.sampled_from(USER_IDS), 14)]))
    # Some are active where and when others are, as two accounts of one person may be.
    places = draw(st.lists(GRIDS, min_size=1, max_size=4))
    grids = {user_id: draw(st.sampled_from(places)) for user_id in user_ids}
    of_session = st.sampled_from([*grids.values()]).flatmap(bounds)
    folder: dict[str, list[Cells]] = {
        "program_templates.csv": [{"program_template_id": "p", "name": "Programme"}],
        "program_sessions.csv": [
            {
                "session_id": session_id,
                "program_template_id": "nowhere" if session_id == "lost" else "p",
                "name": "Session",
                "starts_at": draw(of_session),
                "ends_at": draw(of_session),
            }
            for session_id in (*SESSION_IDS, "lost")
        ],
        "courses.csv": [{"course_id": course_id, "name": course_id.upper()} for course_id in COURSE_IDS],
        "users.csv": [
            {
                "user_id": user_id,
                "email": draw(st.sampled_from(EMAILS)),
                "status": draw(rarely("active", "Deleted", "invited", "other", one_in=6)),
                "deleted_at": draw(rarely("", "2026-10-01T00:00:00Z", one_in=8)),
            }
            for user_id in user_ids
        ],
        "enrollments.csv": [],
        "session_instructors.csv": [],
        # Once delivered, a growing table has a file, be it without rows.
        "learning_events.csv": [],
    }
    for number, user_id in enumerate(several(st.sampled_from(user_ids), 8)):
        of_enrollment = bounds(grids[user_id])
        folder["enrollments.csv"].append({
            "enrollment_id": draw(rarely(str(number), "", "0", one_in=10)),
            "session_id": draw(rarely(grids[user_id].places[0][0], "lost", one_in=10)),
            "user_id": draw(rarely(user_id, "nobody", one_in=10)),
            "enrolled_at": draw(rarely(draw(of_enrollment), "soon", one_in=10)),
            "unenrolled_at": draw(of_enrollment),
        })  # fmt: skip
    for user_id in several(st.sampled_from(user_ids), 4):
        folder["session_instructors.csv"].append({
            "session_id": draw(rarely(grids[user_id].places[0][0], "lost", one_in=10)),
            "user_id": draw(rarely(user_id, "nobody", one_in=10)),
        })  # fmt: skip
    for user_id, grid in grids.items():
        for table, rows in (
            ("learning_events", several(events(user_id, grid), 16)),
            ("course_connections", several(connections(user_id, grid), 6)),
        ):
            for cells in rows:
                folder.setdefault(draw(st.sampled_from(FILES)).format(table), []).append(cells)
    with_ids = with_keys(folder, draw(st.lists(st.integers(0, 30), min_size=20, max_size=60)))
    return {**with_ids, **withdrawals(with_ids, draw(st.lists(st.integers(0, 200), max_size=8)))}


def withdrawals(folder: RawFolder, choices: list[int]) -> dict[str, list[Cells]]:
    """Withdraw some rows by their ids, delivered or made, and ids that no row has."""
    found: dict[str, list[Cells]] = {}
    for table, (withdrawing, key) in WITHDRAWALS.items():
        rows = [cells for path, rows in folder.items() if table_of(path) == table for cells in rows]
        for choice in choices:
            cells = rows[choice % len(rows)] if rows else {key: "nowhere"}
            path = f"{withdrawing}/{choice % 2}.csv"
            found.setdefault(path, []).append({key: cells[key].strip() or made_id(cells), "reason": str(choice)})
    return found


def made_id(cells: Cells) -> str:
    """Return the id of T4 of a connection delivered without one; nothing where its beginning cannot be read."""
    connected_at = instant(cells.get("connected_at", "").strip(READ_AS_BLANK), Rules())
    if connected_at is None:
        return ""
    user_id, session_id, course_id = (
        cells[column].strip(READ_AS_BLANK) for column in ("user_id", "session_id", "course_id")
    )
    return Connection(user_id, session_id, course_id, connected_at, None, "open", "native_log").connection_id


def with_keys(folder: dict[str, list[Cells]], choices: list[int]) -> RawFolder:
    """Give events and connections their keys: most of them new ones, in no order, some without, some a key again."""
    given: list[str] = []

    def key(may_lack: bool) -> str:
        choice = choices[len(given) % len(choices)]
        # 389 and 1000 have no common divisor: three thousand different ids, of one to six characters.
        fresh = ("", "b", "aaa")[len(given) % 3] + str(len(given) * 389 % 1000)
        chosen = given[-choice] if choice in (1, 2, 9, 10) and choice <= len(given) else fresh
        given.append(fresh)
        return "" if choice == 30 or (may_lack and choice % 2) else chosen

    return {
        path: [
            {**cells, "event_id": key(may_lack=False)}
            if table_of(path) == "learning_events"
            else {**cells, "connection_id": key(may_lack=True)}
            if table_of(path) == "course_connections"
            else cells
            for cells in rows
        ]
        for path, rows in folder.items()
    }


def shuffled(folder: RawFolder, random: Random, path_of: Callable[[str, int], str]) -> RawFolder:
    """Return the rows in another order, each in the file that `path_of` names from its table and a random number."""
    other: dict[str, list[Cells]] = {path_of(table_of(path), 0): [] for path in folder}
    for path, rows in folder.items():
        for cells in rows:
            other.setdefault(path_of(table_of(path), random.randrange(3)), []).append(cells)
    for lines in other.values():
        random.shuffle(lines)
    return other


def parts(folder: RawFolder, count: int) -> list[dict[str, list[Cells]]]:
    """Split a delivery into several: each has all snapshot tables, and its share of the files of growing tables."""
    shares: list[dict[str, list[Cells]]] = [
        {path: list(rows) for path, rows in folder.items() if table_of(path) not in PILING} for _ in range(count)
    ]
    for number, path in enumerate(sorted(path for path in folder if table_of(path) in PILING)):
        shares[number % count][path] = list(folder[path])
    return shares


def retold(folder: RawFolder, other: RawFolder, random: Random) -> list[RawFolder]:
    """Return deliveries of the same files, told otherwise: with rows less, others, or none, or not at all.

    Snapshot tables are always there; the last delivery may tell a file as an earlier one did.
    """
    deliveries: list[RawFolder] = [folder]
    for _ in range(random.choice((1, 2, 3))):
        told: dict[str, Sequence[Cells]] = {}
        for path, rows in folder.items():
            ways: list[Sequence[Cells]] = [
                rows,
                [cells for cells in rows if random.random() < 0.6],
                [],
                changed(rows, random),
            ]
            if table_of(path) in PILING:
                ways.append(other.get(path, rows))
            told[path] = random.choice(ways)
            if table_of(path) in PILING and random.random() < 0.2:
                del told[path]
        deliveries.append(told)
    return deliveries


def changed(rows: Sequence[Cells], random: Random) -> list[Cells]:
    """Return the rows with some values changed for those of other rows: ids used anew, corrections, other faults."""
    return [
        {**cells, column: random.choice(rows)[column]}
        if random.random() < 0.3 and (column := random.choice(list(cells)))
        else cells
        for cells in rows
    ]
