"""The rules of time once more, in plain Python, written from the rules and the raw contract and not from the SQL.

One learner's day after the other, in integer microseconds since 1970, with loops where the SQL has windows. It knows
the values that the generated raw folders hold: ids, words and instants, good and bad, but no malformed records.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import NamedTuple, TypeVar
from zoneinfo import ZoneInfo

from tests.properties.built import Cells, RawFolder, table_of

Item = TypeVar("Item")

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECOND = 1_000_000
MINUTE = 60 * SECOND

END_REASONS = ("left", "completed", "abandoned", "timeout", "unknown")
VERBS = ("connected", "active", "disconnected", "completed")
END_VERBS = {"disconnected": "left", "completed": "completed"}
STRENGTH = {"native_log": 4, "event_pair": 3, "event_run": 2, "attempt_span": 1}
# The order within one instant (T2), with a connection open when the instant begins and with none.
WHEN_OPEN = ("active", "completed", "disconnected", "connected")
WHEN_CLOSED = ("connected", "active", "completed", "disconnected")


@dataclass(frozen=True)
class Rules:
    """The settings of section T."""

    inactivity_timeout_minutes: int = 15
    max_connection_minutes: int | None = None
    long_connection_minutes: int = 480
    raw_timezone: str = "UTC"
    display_timezone: str = "Europe/Paris"


class Place(NamedTuple):
    """Where a row was delivered; places compare as rows are ordered."""

    file: bytes
    line: int


class Reject(NamedTuple):
    """A rejected row, or an emptied cell of a kept one."""

    table_name: str
    file: str
    line: int
    reason: str
    column_name: str
    value: str | None
    row_kept: bool


@dataclass(frozen=True)
class Event:
    """A readable row of `learning_events`; an empty session or attempt is ''."""

    event_id: str
    user_id: str
    session_id: str
    course_id: str
    attempt_id: str
    verb: str
    occurred_at: int


@dataclass
class Connection:
    """A connection; `delivered_id` is '' where the platform gave none."""

    user_id: str
    session_id: str
    course_id: str
    connected_at: int
    disconnected_at: int | None
    end_kind: str
    evidence_level: str
    delivered_id: str = ""
    elapsed: int | None = None
    capped: int | None = None
    overlap: int | None = None
    retained: int | None = None
    is_overlapped_in_session: bool = False
    is_overlapped_outside_session: bool = False
    flags: list[str] = field(default_factory=list)

    @property
    def connection_id(self) -> str:
        """The id of T4."""
        if self.delivered_id:
            return self.delivered_id
        instant = (EPOCH + timedelta(microseconds=self.connected_at)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        key = json.dumps(
            [self.user_id, self.session_id, self.course_id, instant], ensure_ascii=False, separators=(",", ":")
        )
        return hashlib.sha256(key.encode()).hexdigest()[:32]

    @property
    def minutes(self) -> int | None:
        """T6: whole minutes between the two instants, both first cut to the minute."""
        if self.disconnected_at is None:
            return None
        return self.disconnected_at // MINUTE - self.connected_at // MINUTE

    def connected_on(self, rules: Rules) -> str:
        """The local day of connected_at."""
        instant = EPOCH + timedelta(microseconds=self.connected_at)
        return instant.astimezone(ZoneInfo(rules.display_timezone)).date().isoformat()

    def counted(self, rules: Rules) -> tuple[int, int]:
        """T5: what counts of a closed connection once it is capped."""
        assert self.disconnected_at is not None
        if rules.max_connection_minutes is None:
            return self.connected_at, self.disconnected_at
        return self.connected_at, min(self.disconnected_at, self.connected_at + rules.max_connection_minutes * MINUTE)


@dataclass
class Answer:
    """What the marts must hold: connections, rejects, the fate of each row by (table, file, line), and two counts."""

    connections: list[Connection]
    rejects: list[Reject]
    fates: dict[tuple[str, str, int], str]
    unattached: int
    superseded: int


def id_order(identifier: str) -> tuple[int, str]:
    """Ids compare by length, then by code point."""
    return len(identifier), identifier


def instant(cell: str, rules: Rules) -> int | None:
    """The UTC microseconds of an instant, None when it is not readable."""
    if len(cell) < len("2026-01-01T00:00"):
        return None
    try:
        read = datetime.fromisoformat(cell)
    except ValueError:
        return None
    if read.tzinfo is not None:
        return (read - EPOCH) // timedelta(microseconds=1)
    # A local time that exists twice is the later one, one that does not exist moves forward: both are the later choice.
    zone = ZoneInfo(rules.raw_timezone)
    return max((read.replace(tzinfo=zone, fold=fold) - EPOCH) // timedelta(microseconds=1) for fold in (0, 1))


def answer(deliveries: Sequence[RawFolder], rules: Rules, clock: datetime) -> Answer:
    """Work out what the marts must hold after these deliveries."""
    judge = Judge(deliveries, rules, (clock - EPOCH) // timedelta(microseconds=1))
    events, natives = judge.events(), judge.connections()
    marked, unmarked = parted(events)
    connections = list(natives)
    unattached = 0
    for group in marked:
        found, left_over = marked_connections(group)
        connections += found
        unattached += left_over
    for learner in unmarked:
        connections += runs(learner, rules)
    kept, superseded = once(connections)
    for same_user in by(kept, lambda connection: connection.user_id):
        measure(same_user, rules)
    enrollments = judge.enrollments()
    for connection in kept:
        session, user = judge.known["session_id"][connection.session_id], judge.known["user_id"][connection.user_id]
        connection.flags = flags(connection, session, user, enrollments, rules)
    return Answer(kept, judge.rejects, judge.fates, unattached, sum(map(is_native, superseded)))


class Judge:
    """The raw contract: which rows are kept."""

    def __init__(self, deliveries: Sequence[RawFolder], rules: Rules, clock: int) -> None:
        self.deliveries = deliveries
        self.rules = rules
        self.latest_instant = clock + 5 * MINUTE
        self.rejects: list[Reject] = []
        self.fates: dict[tuple[str, str, int], str] = {}
        self.templates = self.accepted("program_templates", "program_template_id")
        self.known = {
            "user_id": self.accepted("users", "user_id"),
            "session_id": self.accepted("program_sessions", "session_id"),
            "course_id": self.accepted("courses", "course_id"),
        }

    def rows(self, table: str) -> list[tuple[Place, Cells]]:
        """The rows delivered now: of a growing table all files in their latest version, else the last delivery's."""
        growing = table in ("course_connections", "learning_events")
        files: dict[str, Sequence[Cells]] = {}
        for delivery in self.deliveries if growing else self.deliveries[-1:]:
            files |= {path: rows for path, rows in delivery.items() if table_of(path) == table}
        return rows_in_order(files)

    def accepted(self, table: str, key: str) -> dict[str, Cells]:
        """The rows of a snapshot table by key, those included that a later delivery no longer holds."""
        found: dict[str, Cells] = {}
        for delivery in self.deliveries:
            for _, cells in rows_in_order({path: rows for path, rows in delivery.items() if table_of(path) == table}):
                is_named = table == "users" or bool(cells["name"])
                is_placed = table != "program_sessions" or cells["program_template_id"] in self.templates
                if cells[key] and is_named and is_placed:
                    found[cells[key]] = cells
        return found

    def references(self, cells: Cells) -> Iterable[tuple[str, str, bool]]:
        """The reasons of unknown ids, in the contract's order."""
        for reason, column in (
            ("unknown_user", "user_id"),
            ("unknown_session", "session_id"),
            ("unknown_course", "course_id"),
        ):
            if column in cells:
                yield reason, column, bool(cells[column]) and cells[column] not in self.known[column]

    def instants_that_prove(self, cells: Cells, *columns: str) -> Iterable[tuple[str, str, bool]]:
        """in_the_future and before_2000."""
        earliest = (datetime(2000, 1, 1, tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)
        read = {column: instant(cells[column], self.rules) for column in columns}
        for column, value in read.items():
            yield "in_the_future", column, value is not None and value > self.latest_instant
        for column, value in read.items():
            yield "before_2000", column, value is not None and value < earliest

    def sort_out(
        self,
        table: str,
        faults: Callable[[Cells], Iterable[tuple[str, str, bool]]],
        emptied: Callable[[Cells], Iterable[tuple[str, str, bool]]],
        key: Callable[[Cells], object],
    ) -> list[Cells]:
        """Reject rows for their first fault; of the others keep the last with each key."""
        last: dict[object, tuple[Place, Cells]] = {}
        for place, cells in self.rows(table):
            where = (table, place.file.decode(), place.line)
            fault = next(((reason, column) for reason, column, is_wrong in faults(cells) if is_wrong), None)
            if fault is not None:
                self.fates[where] = "rejected"
                self.rejects.append(Reject(*where, *fault, cells[fault[1]] or None, row_kept=False))
                continue
            self.fates[where] = "duplicate"
            last[key(cells)] = (place, cells)
        for place, cells in last.values():
            where = (table, place.file.decode(), place.line)
            is_outside = table == "learning_events" and not cells["session_id"]
            self.fates[where] = "outside_session" if is_outside else "kept"
            for reason, column, is_wrong in emptied(cells):
                if is_wrong:
                    self.rejects.append(Reject(*where, reason, column, cells[column], row_kept=True))
        return [cells for _, cells in last.values()]

    def events(self) -> list[Event]:
        """The events that are kept, those outside any session included."""

        def faults(cells: Cells) -> Iterable[tuple[str, str, bool]]:
            for column in ("event_id", "user_id", "course_id", "verb", "occurred_at"):
                yield "missing_value", column, not cells[column]
            yield "bad_type", "occurred_at", instant(cells["occurred_at"], self.rules) is None
            yield "not_in_list", "verb", cells["verb"].lower() not in VERBS
            yield from self.references(cells)
            yield from self.instants_that_prove(cells, "occurred_at")

        kept = self.sort_out("learning_events", faults, lambda _: (), lambda cells: cells["event_id"])
        return [
            Event(
                cells["event_id"],
                cells["user_id"],
                cells["session_id"],
                cells["course_id"],
                cells["attempt_id"],
                cells["verb"].lower(),
                self.known_instant(cells["occurred_at"]),
            )
            for cells in kept
        ]

    def connections(self) -> list[Connection]:
        """T1: connections as delivered."""

        def faults(cells: Cells) -> Iterable[tuple[str, str, bool]]:
            connected_at = instant(cells["connected_at"], self.rules)
            disconnected_at = instant(cells["disconnected_at"], self.rules)
            for column in ("user_id", "session_id", "course_id", "connected_at"):
                yield "missing_value", column, not cells[column]
            yield "bad_type", "connected_at", connected_at is None
            yield "bad_type", "disconnected_at", bool(cells["disconnected_at"]) and disconnected_at is None
            yield from self.references(cells)
            backwards = connected_at is not None and disconnected_at is not None and disconnected_at < connected_at
            yield "ends_before_it_starts", "disconnected_at", backwards
            yield from self.instants_that_prove(cells, "connected_at", "disconnected_at")

        def emptied(cells: Cells) -> Iterable[tuple[str, str, bool]]:
            for column, words in (("end_reason", END_REASONS), ("evidence_level", ("native_log", "attempt_span"))):
                yield "not_in_list", column, bool(cells[column]) and cells[column].lower() not in words

        def key(cells: Cells) -> object:
            own = tuple(cells[column] for column in ("user_id", "session_id", "course_id"))
            return cells["connection_id"] or (*own, instant(cells["connected_at"], self.rules))

        found = []
        for cells in self.sort_out("course_connections", faults, emptied, key):
            reason, level = cells["end_reason"].lower(), cells["evidence_level"].lower() or "native_log"
            end_kind = reason if reason in END_REASONS else "unknown"
            found.append(
                Connection(
                    cells["user_id"],
                    cells["session_id"],
                    cells["course_id"],
                    self.known_instant(cells["connected_at"]),
                    instant(cells["disconnected_at"], self.rules),
                    end_kind if cells["disconnected_at"] else "open",
                    "native_log" if level == "native_log" else "attempt_span",
                    cells["connection_id"],
                )
            )
        return found

    def enrollments(self) -> list[Cells]:
        """The enrolments that are kept."""

        def faults(cells: Cells) -> Iterable[tuple[str, str, bool]]:
            for column in ("enrollment_id", "session_id", "user_id"):
                yield "missing_value", column, not cells[column]
            yield from self.references(cells)

        def emptied(cells: Cells) -> Iterable[tuple[str, str, bool]]:
            for column in ("enrolled_at", "unenrolled_at"):
                yield "bad_type", column, bool(cells[column]) and instant(cells[column], self.rules) is None

        return self.sort_out("enrollments", faults, emptied, lambda cells: cells["enrollment_id"])

    def known_instant(self, cell: str) -> int:
        """An instant of a row that was not rejected for it."""
        read = instant(cell, self.rules)
        assert read is not None
        return read


def rows_in_order(files: Mapping[str, Sequence[Cells]]) -> list[tuple[Place, Cells]]:
    """Rows by file path in byte order, then line; a CSV's header is line 1."""
    return sorted(
        (
            (Place(path.encode(), number), cells)
            for path, rows in files.items()
            for number, cells in enumerate(rows, start=1 if path.endswith(".jsonl") else 2)
        ),
        key=lambda row: row[0],
    )


def by(items: Iterable[Item], key: Callable[[Item], object]) -> list[list[Item]]:
    """Items in groups of the same key."""
    groups: dict[object, list[Item]] = defaultdict(list)
    for item in items:
        groups[key(item)].append(item)
    return list(groups.values())


def parted(events: list[Event]) -> tuple[list[list[Event]], list[list[Event]]]:
    """T2, T3: marked groups; and the other events, by learner."""
    marked: list[list[Event]] = []
    unmarked: list[Event] = []
    for group in by(events, lambda event: (event.user_id, event.session_id, event.course_id, event.attempt_id)):
        if group[0].session_id and any(event.verb == "connected" for event in group):
            marked.append(group)
        else:
            unmarked += group
    return marked, by(unmarked, lambda event: event.user_id)


def marked_connections(group: list[Event]) -> tuple[list[Connection], int]:
    """T2: the connections of a marked group, and how many of its events are unattached."""
    found: list[Connection] = []
    unattached = 0
    current: Connection | None = None
    by_instant = sorted(group, key=lambda event: event.occurred_at)
    for _, at_once in groupby(by_instant, key=lambda event: event.occurred_at):
        order = WHEN_CLOSED if current is None else WHEN_OPEN
        for event in sorted(at_once, key=lambda event: (order.index(event.verb), id_order(event.event_id))):
            if event.verb == "connected":
                current = Connection(
                    event.user_id,
                    event.session_id,
                    event.course_id,
                    event.occurred_at,
                    event.occurred_at,
                    "no_end_mark",
                    "event_run",
                )
                found.append(current)
            elif current is None:
                unattached += 1
            else:
                current.disconnected_at = event.occurred_at
                if event.verb in END_VERBS:
                    current.end_kind, current.evidence_level = END_VERBS[event.verb], "event_pair"
                    current = None
    return found, unattached


def runs(events: list[Event], rules: Rules) -> list[Connection]:
    """T3: the runs of one learner's unmarked events that are connections."""
    timeout = rules.inactivity_timeout_minutes * MINUTE
    instants_in_session = {event.occurred_at for event in events if event.session_id}
    followed = [event for event in events if event.session_id or event.occurred_at not in instants_in_session]
    followed.sort(key=lambda event: (event.occurred_at, id_order(event.event_id)))
    parts: list[list[Event]] = []
    for event in followed:
        before = parts[-1][-1] if parts else None
        if (
            before is not None
            and (before.session_id, before.course_id) == (event.session_id, event.course_id)
            and event.occurred_at - before.occurred_at <= timeout
            and before.verb not in END_VERBS
        ):
            parts[-1].append(event)
        else:
            parts.append([event])
    found = []
    for number, part in enumerate(parts):
        first, last = part[0], part[-1]
        following = parts[number + 1][0].occurred_at if number + 1 < len(parts) else None
        if last.verb in END_VERBS:
            until, end_kind = last.occurred_at, END_VERBS[last.verb]
        elif following is not None and following - last.occurred_at <= timeout:
            until, end_kind = following, "moved_on"
        else:
            until, end_kind = last.occurred_at, "inactivity"
        if first.session_id:
            found.append(
                Connection(
                    first.user_id, first.session_id, first.course_id, first.occurred_at, until, end_kind, "event_run"
                )
            )
    return found


def once(connections: list[Connection]) -> tuple[list[Connection], list[Connection]]:
    """T4: of connections that begin as one, the one that stays; and those that are superseded."""

    def preference(connection: Connection) -> tuple[object, ...]:
        return (
            connection.disconnected_at is None,
            -STRENGTH[connection.evidence_level],
            -(connection.disconnected_at or 0),
            id_order(connection.connection_id),
            connection.end_kind,
        )

    kept, superseded = [], []
    for same in by(connections, lambda one: (one.user_id, one.session_id, one.course_id, one.connected_at)):
        same.sort(key=preference)
        kept.append(same[0])
        superseded += same[1:]
    return kept, superseded


def is_native(connection: Connection) -> bool:
    """Whether a connection is a row of `course_connections`."""
    return connection.evidence_level in ("native_log", "attempt_span")


def measure(connections: list[Connection], rules: Rules) -> None:
    """T5: the seconds of one learner's connections, each against the union of the earlier ones."""
    closed = sorted(
        (connection for connection in connections if connection.disconnected_at is not None),
        key=lambda one: (one.connected_at, one.disconnected_at, id_order(one.connection_id)),
    )
    earlier: list[Connection] = []
    for connection in closed:
        assert connection.disconnected_at is not None
        begin, end = connection.counted(rules)
        free = [(begin, end)]
        for other in earlier:
            covered_from, covered_until = other.counted(rules)
            free = [
                piece
                for start, stop in free
                for piece in ((start, min(stop, covered_from)), (max(start, covered_until), stop))
                if piece[0] < piece[1]
            ]
        connection.elapsed = (connection.disconnected_at - begin) // SECOND
        connection.capped = (connection.disconnected_at - end) // SECOND
        connection.retained = sum(stop - start for start, stop in free) // SECOND
        connection.overlap = connection.elapsed - connection.capped - connection.retained
        covering = [other for other in earlier if min(end, other.counted(rules)[1]) > begin]
        if connection.overlap > 0:
            sessions = [other.session_id == connection.session_id for other in covering]
            connection.is_overlapped_in_session = any(sessions)
            connection.is_overlapped_outside_session = not all(sessions)
        earlier.append(connection)


def flags(connection: Connection, session: Cells, user: Cells, enrollments: list[Cells], rules: Rules) -> list[str]:
    """T7: the flags of a connection, sorted."""
    begin = connection.connected_at
    until = begin if connection.disconnected_at is None else connection.disconnected_at
    starts_at, ends_at = instant(session["starts_at"], rules), instant(session["ends_at"], rules)
    of_session = [cells for cells in enrollments if cells["session_id"] == connection.session_id]
    own = [
        (instant(cells["enrolled_at"], rules), instant(cells["unenrolled_at"], rules))
        for cells in of_session
        if cells["user_id"] == connection.user_id
    ]
    conditions = {
        "open": connection.disconnected_at is None,
        "overlap": bool(connection.overlap),
        "capped": bool(connection.capped),
        "zero_seconds": connection.elapsed == 0,
        "long_connection": (connection.elapsed or 0) > 60 * rules.long_connection_minutes,
        "no_end_mark": connection.end_kind == "no_end_mark",
        "outside_session_dates": (starts_at is not None and begin < starts_at)
        or (ends_at is not None and until > ends_at),
        "outside_enrollment": bool(own)
        and not any(
            (enrolled_at is None or enrolled_at <= until) and (unenrolled_at is None or begin <= unenrolled_at)
            for enrolled_at, unenrolled_at in own
        ),
        "not_enrolled": bool(of_session) and not own,
        "deleted_user": user["status"].lower() == "deleted" or instant(user["deleted_at"], rules) is not None,
    }
    return sorted(flag for flag, holds in conditions.items() if holds)
