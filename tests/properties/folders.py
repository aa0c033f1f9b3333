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

Item = TypeVar("Item")

GROWING = ("course_connections", "learning_events")

# Short before long, and what needs escaping in the JSON that connection_id is made from.
USER_IDS = ("1", "2", "10", "99", "100", "a", "A", "é", 'q"q', "b\\s", "🙂", "x/y", "user 7", "0", "00", "zz9")
SESSION_IDS = ("9", "10", 'é"\\')
COURSE_IDS = ("c1", "c2", "c10")
# Beginnings of a learner's grid, as a clock shows them: an ordinary day, midnight in Paris, both changes of clocks,
# fifteen minutes before what the build's clock takes, and the year 2000.
BEGINNINGS = (
    *["2026-09-01T08:00"] * 6,
    "2026-09-01T21:40",
    "2026-10-25T01:40",
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
def rarely(draw: st.DrawFn, value: str, *others: str, one_in: int) -> str:
    """Draw `value`, or about once in `one_in` times one of the others."""
    return draw(st.sampled_from(others)) if draw(st.integers(0, one_in - 1)) == one_in // 2 else value


@st.composite
def spoiled(draw: st.DrawFn, cells: dict[str, str], faults: Sequence[tuple[str, str]]) -> Cells:
    """Draw a row: as it is, or about once in twelve times with one of the faults, each a column and its cell."""
    if draw(st.integers(0, 11)) == 6:
        column, cell = draw(st.sampled_from(faults))
        return {**cells, column: cell}
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
    begin, end = sorted(draw(st.tuples(instants(grid), instants(grid))))
    cells = {
        "user_id": user_id,
        "session_id": session_id,
        "course_id": course_id,
        "connected_at": begin,
        "disconnected_at": draw(rarely(end, "", one_in=6)),
        "end_reason": draw(st.sampled_from(["", "left", "completed", "Abandoned", "timeout", "unknown", "vanished"])),
        "evidence_level": draw(st.sampled_from(["", "", "native_log", "attempt_span", "guess"])),
        "attempt_id": attempt_id,
    }
    return draw(spoiled(cells, CONNECTION_FAULTS))


@st.composite
def raw_folders(draw: st.DrawFn) -> RawFolder:
    """Draw a delivery of a few learners, with their events, connections and enrolments."""

    def several(rows: st.SearchStrategy[Item], count: int) -> list[Item]:
        # Lists are short when left alone, and a least size alone could not be made smaller once a test fails.
        return draw(st.lists(rows, min_size=draw(st.sampled_from([0, count * 2 // 3])), max_size=count))

    user_ids = list(dict.fromkeys([USER_IDS[0], *several(st.sampled_from(USER_IDS), 14)]))
    grids = {user_id: draw(GRIDS) for user_id in user_ids}
    blank_or = st.one_of(st.just(""), st.sampled_from([*grids.values()]).flatmap(instants))
    folder: dict[str, list[Cells]] = {
        "program_templates.csv": [{"program_template_id": "p", "name": "Programme"}],
        "program_sessions.csv": [
            {
                "session_id": session_id,
                "program_template_id": "nowhere" if session_id == "lost" else "p",
                "name": "Session",
                "starts_at": draw(blank_or),
                "ends_at": draw(blank_or),
            }
            for session_id in (*SESSION_IDS, "lost")
        ],
        "courses.csv": [{"course_id": course_id, "name": course_id.upper()} for course_id in COURSE_IDS],
        "users.csv": [
            {
                "user_id": user_id,
                "status": draw(rarely("active", "Deleted", "invited", "other", one_in=6)),
                "deleted_at": draw(rarely("", "2026-10-01T00:00:00Z", one_in=8)),
            }
            for user_id in user_ids
        ],
        "enrollments.csv": [],
        # Once delivered, a growing table has a file, be it without rows.
        "learning_events.csv": [],
    }
    for number, user_id in enumerate(several(st.sampled_from(user_ids), 8)):
        bounds = st.one_of(st.just(""), instants(grids[user_id]))
        folder["enrollments.csv"].append({
            "enrollment_id": draw(rarely(str(number), "", "0", one_in=10)),
            "session_id": draw(rarely(grids[user_id].places[0][0], "lost", one_in=10)),
            "user_id": draw(rarely(user_id, "nobody", one_in=10)),
            "enrolled_at": draw(rarely(draw(bounds), "soon", one_in=10)),
            "unenrolled_at": draw(bounds),
        })  # fmt: skip
    for user_id, grid in grids.items():
        for table, rows in (
            ("learning_events", several(events(user_id, grid), 16)),
            ("course_connections", several(connections(user_id, grid), 6)),
        ):
            for cells in rows:
                folder.setdefault(draw(st.sampled_from(FILES)).format(table), []).append(cells)
    return with_keys(folder, draw(st.lists(st.integers(0, 30), min_size=20, max_size=60)))


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
        {path: list(rows) for path, rows in folder.items() if table_of(path) not in GROWING} for _ in range(count)
    ]
    for number, path in enumerate(sorted(path for path in folder if table_of(path) in GROWING)):
        shares[number % count][path] = list(folder[path])
    return shares
