"""The rules of time once more, in plain Python, written from the rules and the raw contract and not from the SQL.

One learner's day after the other, in integer microseconds since 1970, with loops where the SQL has windows. It knows
the values that the generated raw folders hold: ids, words and instants, good and bad, but no malformed records.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import NamedTuple, TypeVar
from zoneinfo import ZoneInfo

from tests.properties.built import Cells, RawFolder, table_of
from warehouse.contract import raw_tables

Item = TypeVar("Item")

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
BLANKS = " \t\r\n\u00a0\u202f\u200b\ufeff"
SECOND = 1_000_000
MINUTE = 60 * SECOND

# Texts that stand for no e-mail.
PLACEHOLDERS = ("NULL", "N/A", "\\N")
END_REASONS = ("left", "completed", "abandoned", "timeout", "unknown")
VERBS = ("connected", "active", "disconnected", "completed")
END_VERBS = {"disconnected": "left", "completed": "completed"}
STRENGTH = {"native_log": 4, "event_pair": 3, "event_run": 2, "attempt_span": 1}
# The order within one instant (T2), with a connection open when the instant begins and with none.
WHEN_OPEN = ("active", "completed", "disconnected", "connected")
WHEN_CLOSED = ("connected", "active", "completed", "disconnected")


@dataclass(frozen=True)
class Rules:
    """The settings of section T, and whether e-mails join accounts."""

    inactivity_timeout_minutes: int = 15
    max_connection_minutes: int | None = None
    long_connection_minutes: int = 480
    raw_timezone: str = "UTC"
    display_timezone: str = "Europe/Paris"
    by_email: bool = False


class Place(NamedTuple):
    """Where a row was delivered; places compare as rows are ordered."""

    file: bytes
    line: int


class Reject(NamedTuple):
    """A rejected row, or a nulled cell of a kept one."""

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
    is_ambiguous: bool


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
    is_delivered: bool = False
    is_after_completion: bool = False
    is_ambiguous: bool = False
    elapsed: int | None = None
    capped: int | None = None
    overlap: int | None = None
    retained: int | None = None
    is_overlapped_in_session: bool = False
    is_overlapped_outside_session: bool = False
    is_overlapped_by_other_account: bool = False
    flags: list[str] = field(default_factory=list)
    modality: str | None = None

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
    """What the marts must hold: connections, rejects, statuses of delivered rows by (table, file, line), and counts.

    Of superseded connections how many were delivered, and how many were made of events. `gone` are the rows that stay
    though they are delivered no more, as (table, file, line, key); `contradicting` the rows that count whose key said
    something else before, by place; `lost` what it said, as (table, key, local day).
    """

    connections: list[Connection]
    rejects: list[Reject]
    row_statuses: dict[tuple[str, str, int], str]
    superseded_delivered: int
    superseded_made: int
    gone: list[tuple[str, str, int, object]]
    contradicting: set[tuple[str, str, int]]
    lost: set[tuple[str, object, str]]


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
    return max(folds(read, rules))


def bound(cell: str, rules: Rules, *, is_end: bool) -> int | None:
    """The UTC microseconds of a beginning or an end that may be a bare date: a day where a person reads."""
    try:
        day = datetime.strptime(cell, "%Y-%m-%d")  # noqa: DTZ007 - a day as a clock shows it
    except ValueError:
        return instant(cell, rules)
    shown = replace(rules, raw_timezone=rules.display_timezone)
    if is_end:
        return max(folds(day + timedelta(days=1, microseconds=-1), shown))
    return min(folds(day, shown))


def readings(cell: str, rules: Rules) -> list[int]:
    """The instants that a cell may mean, the later first: two of a local time that exists twice."""
    later = instant(cell, rules)
    if later is None:
        return []
    read = datetime.fromisoformat(cell)
    # Of a local time that does not exist the second choice is the earlier one.
    first, second = folds(read, rules) if read.tzinfo is None else (later, later)
    return [later, first] if first < second else [later]


def is_ambiguous(cell: str, rules: Rules) -> bool:
    """Whether an instant had no offset and stood in the hour that exists twice."""
    return len(readings(cell, rules)) > 1


def folds(local: datetime, rules: Rules) -> list[int]:
    """Both choices that Python has for a local time, which are one for most."""
    zone = ZoneInfo(rules.raw_timezone)
    return [(local.replace(tzinfo=zone, fold=fold) - EPOCH) // timedelta(microseconds=1) for fold in (0, 1)]


def ends(cells: Cells, rules: Rules) -> tuple[int | None, int | None]:
    """Both ends of a native connection: the shortest time that is not negative, of equal ones the later."""
    stays = [
        (end - begin, -begin, begin, end)
        for begin in readings(cells["connected_at"], rules)
        for end in readings(cells["disconnected_at"], rules)
        if begin <= end
    ]
    if stays:
        return min(stays)[2:]
    return instant(cells["connected_at"], rules), instant(cells["disconnected_at"], rules)


def answer(
    deliveries: Sequence[RawFolder], rules: Rules, clock: datetime, identities: Mapping[str, int] | None = None
) -> Answer:
    """Work out what the marts must hold after these deliveries; `identities` gives accounts the number of a learner."""
    judge = Judge(deliveries, rules, (clock - EPOCH) // timedelta(microseconds=1))
    connections = judge.connections()
    for learner in by(judge.events(), lambda event: event.user_id):
        connections += connections_of_events(learner, rules)
    kept, superseded = once(connections)
    emails = judge.emails()

    def person(connection: Connection) -> object:
        account = connection.user_id
        if identities and account in identities:
            return "learner", identities[account]
        return ("email", emails[account].lower()) if rules.by_email and emails[account] else ("account", account)

    for same_person in by(kept, person):
        measure(same_person, rules)
    enrollments, instructors = judge.enrollments(), judge.instructors()
    for connection in kept:
        session, user = judge.known["session_id"][connection.session_id], judge.known["user_id"][connection.user_id]
        connection.flags = flags(connection, session, user, enrollments, instructors, rules)
    delivered = sum(connection.is_delivered for connection in superseded)
    return Answer(
        kept,
        judge.rejects,
        judge.row_statuses,
        delivered,
        len(superseded) - delivered,
        judge.gone,
        judge.contradicting,
        judge.lost,
    )


class Judge:
    """The raw contract: which rows are kept."""

    def __init__(self, deliveries: Sequence[RawFolder], rules: Rules, clock: int) -> None:
        self.deliveries = [
            {
                path: [{column: cell.strip(BLANKS) for column, cell in cells.items()} for cells in rows]
                for path, rows in delivery.items()
            }
            for delivery in deliveries
        ]
        self.rules = rules
        self.latest_instant = clock + 5 * MINUTE
        self.rejects: list[Reject] = []
        self.row_statuses: dict[tuple[str, str, int], str] = {}
        self.gone: list[tuple[str, str, int, object]] = []
        self.contradicting: set[tuple[str, str, int]] = set()
        self.lost: set[tuple[str, object, str]] = set()
        self.templates = self.accepted("program_templates", "program_template_id")
        self.known = {
            "user_id": self.accepted("users", "user_id"),
            "session_id": self.accepted("program_sessions", "session_id"),
            "course_id": self.accepted("courses", "course_id"),
        }

    def rows(self, table: str) -> tuple[list[tuple[Place, Cells]], list[tuple[Place, Cells]]]:
        """The rows delivered now, in order; and those of earlier versions, the latest version first.

        Of a growing table a version counts until another takes the place of its file; of others as long as delivered.
        """
        growing = raw_tables()[table].is_growing
        stood: dict[str, tuple[int, str, Sequence[Cells]]] = {}
        now: dict[str, Sequence[Cells]] = {}
        for number, delivery in enumerate(self.deliveries):
            files = {path: rows for path, rows in delivery.items() if table_of(path) == table}
            now = {**now, **files} if growing else dict(files)
            for path, rows in now.items():
                stood[json.dumps([path, list(map(dict, rows))])] = (number, path, rows)
        earlier = [
            (number, place, cells)
            for number, path, rows in stood.values()
            if now.get(path) != rows
            for place, cells in rows_in_order({path: rows})
        ]
        earlier.sort(key=lambda row: row[:2], reverse=True)
        return rows_in_order(now), [(place, cells) for _, place, cells in earlier]

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

    def emails(self) -> dict[str, str]:
        """The e-mail of each user; of a deleted one that of the last delivery that had him while he was not."""
        found: dict[str, str] = {}
        present: dict[str, str] = {}
        for delivery in self.deliveries:
            rows = [cells for path, rows in delivery.items() if table_of(path) == "users" for cells in rows]
            for user_id, cells in {cells["user_id"]: cells for cells in rows if cells["user_id"]}.items():
                is_deleted = (
                    cells["status"].lower() == "deleted" or instant(cells["deleted_at"], self.rules) is not None
                )
                email = "" if cells["email"] in PLACEHOLDERS else cells["email"]
                if not is_deleted:
                    present[user_id] = email
                found[user_id] = present.get(user_id, email)
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

    def instants_that_prove(self, read: Mapping[str, int | None]) -> Iterable[tuple[str, str, bool]]:
        """in_the_future and before_2000 of instants by column."""
        earliest = (datetime(2000, 1, 1, tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)
        for column, value in read.items():
            yield "in_the_future", column, value is not None and value > self.latest_instant
        for column, value in read.items():
            yield "before_2000", column, value is not None and value < earliest

    def sort_out(
        self,
        table: str,
        faults: Callable[[Cells], Iterable[tuple[str, str, bool]]],
        nulled: Callable[[Cells], Iterable[tuple[str, str, bool]]],
        key: Callable[[Cells], object],
        says: Callable[[Cells], object],
        proof: Callable[[Cells], object] = lambda _: None,
        *,
        stays: bool = True,
        is_withdrawn: Callable[[Cells], bool] = lambda _: False,
    ) -> list[Cells]:
        """Reject rows for their first fault; of the others keep the last with each key.

        Of a key that no such row has, the latest row of an earlier version that has no fault stays, unless told not to.
        What was withdrawn is left out of both.
        """
        delivered, earlier = self.rows(table)
        last: dict[object, tuple[Place, Cells]] = {}
        well: list[tuple[Place, Cells]] = []
        for place, cells in delivered:
            where = (table, place.file.decode(), place.line)
            fault = next(((reason, column) for reason, column, is_wrong in faults(cells) if is_wrong), None)
            if fault is not None:
                self.row_statuses[where] = "rejected"
                self.rejects.append(Reject(*where, *fault, cells[fault[1]] or None, row_kept=False))
                continue
            well.append((place, cells))
            last[key(cells)] = (place, cells)
        for place, cells in well:
            is_same = says(cells) == says(last[key(cells)][1])
            self.row_statuses[table, place.file.decode(), place.line] = "duplicate" if is_same else "conflicting"
        for place, cells in last.values():
            where = (table, place.file.decode(), place.line)
            if is_withdrawn(cells):
                self.row_statuses[where] = "withdrawn"
                continue
            is_outside = table == "learning_events" and not cells["session_id"]
            self.row_statuses[where] = "outside_session" if is_outside else "kept"
            for reason, column, is_wrong in nulled(cells):
                if is_wrong:
                    self.rejects.append(Reject(*where, reason, column, cells[column], row_kept=True))
        well_before = [(place, cells) for place, cells in earlier if not any(wrong for _, _, wrong in faults(cells))]
        told = [proof(cells) for _, cells in well]
        gone: dict[object, Cells] = {}
        for place, cells in well_before:
            found = key(cells)
            if stays and found not in last and found not in gone:
                gone[found] = cells
                if not is_withdrawn(cells):
                    self.gone.append((table, place.file.decode(), place.line, found))
            if (
                found in last
                and not is_withdrawn(last[found][1])
                and proof(cells) != proof(last[found][1])
                and proof(cells) not in told
            ):
                now, _ = last[found]
                self.contradicting.add((table, now.file.decode(), now.line))
                self.lost.add((table, found, self.local_day(cells)))
        staying = [cells for _, cells in last.values()] + list(gone.values())
        return [cells for cells in staying if not is_withdrawn(cells)]

    def withdrawn(self, table: str, key: str) -> set[str]:
        """The ids that any delivery ever withdrew: none can be brought back."""
        return {
            cells[key]
            for delivery in self.deliveries
            for path, rows in delivery.items()
            if table_of(path) == table
            for cells in rows
            if cells[key]
        }

    def local_day(self, cells: Cells) -> str:
        """The day that a row proves, where a person reads."""
        at = ends(cells, self.rules)[0] if "connected_at" in cells else self.known_instant(cells["occurred_at"])
        assert at is not None
        return (EPOCH + timedelta(microseconds=at)).astimezone(ZoneInfo(self.rules.display_timezone)).date().isoformat()

    def events(self) -> list[Event]:
        """The events that are kept, those outside any session included."""

        def faults(cells: Cells) -> Iterable[tuple[str, str, bool]]:
            for column in ("event_id", "user_id", "course_id", "verb", "occurred_at"):
                yield "missing_value", column, not cells[column]
            yield "bad_type", "occurred_at", instant(cells["occurred_at"], self.rules) is None
            yield "not_in_list", "verb", cells["verb"].lower() not in VERBS
            yield from self.references(cells)
            yield from self.instants_that_prove({"occurred_at": instant(cells["occurred_at"], self.rules)})

        def proof(cells: Cells) -> object:
            who_and_where = [cells[column] for column in ("user_id", "session_id", "course_id")]
            return (*who_and_where, instant(cells["occurred_at"], self.rules))

        def says(cells: Cells) -> object:
            return proof(cells), cells["verb"].lower(), cells["attempt_id"]

        def key(cells: Cells) -> object:
            return cells["event_id"]

        withdrawn = self.withdrawn("withdrawn_events", "event_id")
        kept = self.sort_out(
            "learning_events",
            faults,
            lambda _: (),
            key,
            says,
            proof,
            is_withdrawn=lambda cells: key(cells) in withdrawn,
        )
        return [
            Event(
                cells["event_id"],
                cells["user_id"],
                cells["session_id"],
                cells["course_id"],
                cells["attempt_id"],
                cells["verb"].lower(),
                self.known_instant(cells["occurred_at"]),
                is_ambiguous(cells["occurred_at"], self.rules),
            )
            for cells in kept
        ]

    def connections(self) -> list[Connection]:
        """T1: connections as delivered."""

        def faults(cells: Cells) -> Iterable[tuple[str, str, bool]]:
            connected_at, disconnected_at = ends(cells, self.rules)
            for column in ("user_id", "session_id", "course_id", "connected_at"):
                yield "missing_value", column, not cells[column]
            yield "bad_type", "connected_at", connected_at is None
            yield "bad_type", "disconnected_at", bool(cells["disconnected_at"]) and disconnected_at is None
            yield from self.references(cells)
            backwards = connected_at is not None and disconnected_at is not None and disconnected_at < connected_at
            yield "ends_before_it_starts", "disconnected_at", backwards
            yield from self.instants_that_prove({"connected_at": connected_at, "disconnected_at": disconnected_at})

        def nulled(cells: Cells) -> Iterable[tuple[str, str, bool]]:
            for column, words in (
                ("end_reason", END_REASONS),
                ("evidence_level", ("native_log", "attempt_span")),
                ("modality", ("async", "sync")),
            ):
                yield "not_in_list", column, bool(cells[column]) and cells[column].lower() not in words

        def key(cells: Cells) -> object:
            own = tuple(cells[column] for column in ("user_id", "session_id", "course_id"))
            # of two readings always the later one, whatever the end makes of it
            return cells["connection_id"] or (*own, instant(cells["connected_at"], self.rules))

        def read_words(cells: Cells) -> tuple[str, str, str | None]:
            reason, level = cells["end_reason"].lower(), cells["evidence_level"].lower() or "native_log"
            modality = cells["modality"].lower()
            return (
                reason if reason in END_REASONS else "unknown",
                level if level == "native_log" else "attempt_span",
                modality if modality in ("async", "sync") else None,
            )

        def proof(cells: Cells) -> object:
            who_and_where = [cells[column] for column in ("user_id", "session_id", "course_id")]
            return (*who_and_where, ends(cells, self.rules)[0])

        def says(cells: Cells) -> object:
            return proof(cells), ends(cells, self.rules)[1], read_words(cells), cells["attempt_id"]

        def connection(cells: Cells) -> Connection:
            connected_at, disconnected_at = ends(cells, self.rules)
            assert connected_at is not None
            end_kind, level, modality = read_words(cells)
            return Connection(
                cells["user_id"],
                cells["session_id"],
                cells["course_id"],
                connected_at,
                disconnected_at,
                end_kind if cells["disconnected_at"] else "open",
                level,
                cells["connection_id"],
                is_delivered=True,
                is_ambiguous=any(is_ambiguous(cells[end], self.rules) for end in ("connected_at", "disconnected_at")),
                modality=modality,
            )

        withdrawn = self.withdrawn("withdrawn_connections", "connection_id")

        def is_withdrawn(cells: Cells) -> bool:
            return connection(cells).connection_id in withdrawn

        kept = self.sort_out("course_connections", faults, nulled, key, says, proof, is_withdrawn=is_withdrawn)
        return [connection(cells) for cells in kept]

    def enrollments(self) -> list[Cells]:
        """The enrolments that are kept."""

        def faults(cells: Cells) -> Iterable[tuple[str, str, bool]]:
            for column in ("enrollment_id", "session_id", "user_id"):
                yield "missing_value", column, not cells[column]
            yield from self.references(cells)

        def nulled(cells: Cells) -> Iterable[tuple[str, str, bool]]:
            for column in ("enrolled_at", "unenrolled_at"):
                read = bound(cells[column], self.rules, is_end=column == "unenrolled_at")
                yield "bad_type", column, bool(cells[column]) and read is None

        def says(cells: Cells) -> object:
            bounds = [
                bound(cells[column], self.rules, is_end=column == "unenrolled_at")
                for column in ("enrolled_at", "unenrolled_at")
            ]
            return cells["session_id"], cells["user_id"], bounds

        return self.sort_out("enrollments", faults, nulled, lambda cells: cells["enrollment_id"], says)

    def instructors(self) -> list[Cells]:
        """Who instructs which session: as delivered now, and of a session that is gone as last delivered with it."""

        def faults(cells: Cells) -> Iterable[tuple[str, str, bool]]:
            for column in ("session_id", "user_id"):
                yield "missing_value", column, not cells[column]
            yield from self.references(cells)

        def key(cells: Cells) -> tuple[str, str]:
            return cells["session_id"], cells["user_id"]

        found = self.sort_out("session_instructors", faults, lambda _: (), key, lambda _: None, stays=False)
        named = {key(cells) for cells in found}
        for session_id in self.known["session_id"]:
            last = max(
                delivery_number
                for delivery_number, delivery in enumerate(self.deliveries)
                for cells in delivery.get("program_sessions.csv", ())
                if cells["session_id"] == session_id and cells["program_template_id"] in self.templates
            )
            if last == len(self.deliveries) - 1:
                continue
            files = {
                path: rows for path, rows in self.deliveries[last].items() if table_of(path) == "session_instructors"
            }
            for place, cells in reversed(rows_in_order(files)):
                is_wrong = any(wrong for _, _, wrong in faults(cells))
                if cells["session_id"] == session_id and not is_wrong and key(cells) not in named:
                    named.add(key(cells))
                    found.append(cells)
                    self.gone.append(("session_instructors", place.file.decode(), place.line, key(cells)))
        return found

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


def connections_of_events(events: list[Event], rules: Rules) -> list[Connection]:
    """T2, T3: the connections that one learner's events make."""
    found: list[Connection] = []
    left: list[Event] = []
    for group in by(events, lambda event: (event.session_id, event.course_id, event.attempt_id)):
        if group[0].session_id and any(event.verb == "connected" for event in group):
            made, left_over = marked_connections(group)
            found += made
            left += left_over
        else:
            left += group
    return found + runs(left, events, rules)


def marked_connections(group: list[Event]) -> tuple[list[Connection], list[Event]]:
    """T2: the connections of a marked group, and its events that are left to T3."""
    found: list[Connection] = []
    left: list[Event] = []
    current: Connection | None = None
    opening = group[0]
    ended_at: int | None = None
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
                    is_ambiguous=event.is_ambiguous,
                )
                found.append(current)
                opening = event
            elif current is not None:
                current.disconnected_at = event.occurred_at
                current.is_ambiguous = opening.is_ambiguous or event.is_ambiguous
                if event.verb in END_VERBS:
                    current.end_kind, current.evidence_level = END_VERBS[event.verb], "event_pair"
                    current, ended_at = None, event.occurred_at
            elif event.occurred_at != ended_at:
                left.append(event)
    return found, left


def runs(left: list[Event], events: list[Event], rules: Rules) -> list[Connection]:
    """T3: the runs that are connections, of one learner's events that are `left` by T2 out of all its `events`."""
    timeout = rules.inactivity_timeout_minutes * MINUTE

    def in_order(event: Event) -> tuple[int, tuple[int, str]]:
        return event.occurred_at, id_order(event.event_id)

    instants_in_session = {event.occurred_at for event in left if event.session_id}
    left_out = [event for event in left if not event.session_id and event.occurred_at in instants_in_session]
    seen = sorted((event for event in events if event not in left_out), key=in_order)
    parts: list[list[Event]] = []
    for event in sorted((event for event in left if event not in left_out), key=in_order):
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

    def completion_before(first: Event) -> Event | None:
        earlier = seen[: seen.index(first)]
        if (
            earlier
            and earlier[-1].verb == "completed"
            and (earlier[-1].session_id, earlier[-1].course_id) == (first.session_id, first.course_id)
            and first.occurred_at - earlier[-1].occurred_at <= timeout
        ):
            return earlier[-1]
        return None

    found = []
    for number, part in enumerate(parts):
        first, last = part[0], part[-1]
        completion = completion_before(first)
        giving: list[Event | None] = []
        following = parts[number + 1][0] if number + 1 < len(parts) else None
        if last.verb in END_VERBS:
            until, end_kind = last.occurred_at, END_VERBS[last.verb]
        elif following is not None and following.occurred_at - last.occurred_at <= timeout:
            giving = [following, completion_before(following)]
            until, end_kind = min(event.occurred_at for event in giving if event), "moved_on"
        else:
            until, end_kind = last.occurred_at, "inactivity"
        if first.session_id:
            found.append(
                Connection(
                    first.user_id,
                    first.session_id,
                    first.course_id,
                    first.occurred_at if completion is None else completion.occurred_at,
                    until,
                    end_kind,
                    "event_run",
                    is_after_completion=completion is not None,
                    is_ambiguous=any(event.is_ambiguous for event in [first, last, completion, *giving] if event),
                )
            )
    return found


def once(connections: list[Connection]) -> tuple[list[Connection], list[Connection]]:
    """T4: the connections that stay, and those that are superseded."""

    def preference(connection: Connection) -> tuple[object, ...]:
        return (
            connection.disconnected_at is None,
            -STRENGTH[connection.evidence_level],
            -(connection.disconnected_at or 0),
            id_order(connection.connection_id),
            connection.end_kind,
        )

    kept, superseded = [], []
    for of_course in by(connections, lambda one: (one.user_id, one.session_id, one.course_id)):
        given_way = [one for one in of_course if any(gives_way(one, other) for other in of_course)]
        superseded += given_way
        for same in by([one for one in of_course if one not in given_way], lambda one: one.connected_at):
            same.sort(key=preference)
            kept.append(same[0])
            superseded += same[1:]
    return kept, superseded


def gives_way(one: Connection, other: Connection) -> bool:
    """T4, before the rest: whether a connection gives way to another of the same learner, session and course."""
    if one.is_delivered:
        return False
    assert one.disconnected_at is not None
    if other.evidence_level == "native_log" and other.disconnected_at is not None:
        margin = min(MINUTE, other.disconnected_at - other.connected_at)
        return other.connected_at - margin <= one.connected_at and one.disconnected_at <= other.disconnected_at + margin
    is_of_no_time = one.disconnected_at == one.connected_at and one.end_kind == "completed"
    begins_there = other.is_after_completion and other.connected_at == one.connected_at
    return is_of_no_time and begins_there and other.disconnected_at != other.connected_at


def measure(connections: list[Connection], rules: Rules) -> None:
    """T5: the seconds of one person's connections, of all accounts, each against the union of the earlier ones."""
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
            sessions = [
                other.session_id == connection.session_id for other in covering if other.user_id == connection.user_id
            ]
            connection.is_overlapped_in_session = any(sessions)
            connection.is_overlapped_outside_session = not all(sessions)
            connection.is_overlapped_by_other_account = len(sessions) < len(covering)
        earlier.append(connection)


def flags(
    connection: Connection,
    session: Cells,
    user: Cells,
    enrollments: list[Cells],
    instructors: list[Cells],
    rules: Rules,
) -> list[str]:
    """T7: the flags of a connection, sorted."""
    begin = connection.connected_at
    until = begin if connection.disconnected_at is None else connection.disconnected_at
    starts_at = bound(session["starts_at"], rules, is_end=False)
    ends_at = bound(session["ends_at"], rules, is_end=True)
    of_session = [cells for cells in enrollments if cells["session_id"] == connection.session_id]
    own = [
        (bound(cells["enrolled_at"], rules, is_end=False), bound(cells["unenrolled_at"], rules, is_end=True))
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
        "instructor": any(
            (cells["session_id"], cells["user_id"]) == (connection.session_id, connection.user_id)
            for cells in instructors
        ),
        "ambiguous_hour": connection.is_ambiguous,
        "deleted_user": user["status"].lower() == "deleted" or instant(user["deleted_at"], rules) is not None,
    }
    return sorted(flag for flag, holds in conditions.items() if holds)
