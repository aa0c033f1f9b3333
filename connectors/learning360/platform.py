"""What a pull reads of the platform's API: each list into a Parquet file, whole, before anything is made of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from connectors.learning360.client import AnswerError, Client
from connectors.learning360.endpoints import FIELD_VALUES, GROUP_MEMBERS, LISTS, Endpoint
from connectors.mapping import TEXT, text_columns
from warehouse.sql import quoted_literal

NIGHTS = 7
"""In so many pulls each user is asked once."""

WHOLE_AFTER = timedelta(days=7)
"""Lists that tell changes are read whole again after this: what was deleted is in no list of changes."""

OVERLAP = timedelta(days=1)
"""How long before the last pull a change is asked for again: two clocks, and answers that come late."""

ROWS_A_GROUP = 50_000

ASKED = pa.schema(text_columns("user_id", "asked_at"))
VALUES = pa.schema(text_columns("user_id", "custom_field_id", "value"))
MEMBERS = pa.schema([("group_id", TEXT), *GROUP_MEMBERS.fields.items()])


@dataclass(frozen=True)
class Earlier:
    """What the last pull left: when it began and when the lists were read whole, its lists, and whom it asked.

    `values` is the table of custom field values as last delivered, with `id_prefix` before its ids; `updated` says when
    a message last told that a user changed.
    """

    began_at: datetime | None = None
    whole_at: datetime | None = None
    lists: Mapping[str, Path] = field(default_factory=dict)
    asked: Path | None = None
    values: Path | None = None
    id_prefix: str = ""
    updated: Mapping[str, str] = field(default_factory=dict)

    def are_changes_enough(self, now: datetime) -> bool:
        """Whether changes since the last pull, put over its lists, give the lists as they are now."""
        kept = all(one.name in self.lists for one in LISTS if one.tells_changes)
        return self.began_at is not None and self.whole_at is not None and kept and now - self.whole_at < WHOLE_AFTER


@dataclass(frozen=True)
class Platform:
    """The lists as Parquet files by name, whether all were read whole, and how many users wait for being asked."""

    files: Mapping[str, Path]
    is_whole: bool
    asked: Path
    waiting: int


def read_platform(
    client: Client,
    folder: Path,
    now: datetime,
    earlier: Earlier,
    *,
    wants_members: bool = False,
    asks_all: bool = False,
    on_progress: Callable[[str], None] = lambda _step: None,
) -> Platform:
    """Read the lists into `folder`; raises what `Client.pages` raises, and then nothing of it may be used."""
    files = {}
    is_whole = not earlier.are_changes_enough(now)
    for endpoint in LISTS:
        on_progress(f"reading {endpoint.name.replace('_', ' ')}")
        files[endpoint.name] = folder / f"{endpoint.name}.parquet"
        if is_whole or not endpoint.tells_changes or earlier.began_at is None:
            _land(client, endpoint, files[endpoint.name])
        else:
            changed = folder / f"{endpoint.name}-changed.parquet"
            since = (earlier.began_at - OVERLAP).strftime("%Y-%m-%dT%H:%M:%S.000Z")
            _land(client, endpoint, changed, {"modifiedAt[gte]": since})
            _put_over(earlier.lists[endpoint.name], changed, files[endpoint.name])
    on_progress("asking for custom fields")
    asked = folder / "asked.parquet"
    files["field_values"] = folder / "field_values.parquet"
    waiting = _ask_users(client, files, asked, now, earlier, asks_all=asks_all)
    files["group_members"] = folder / "group_members.parquet"
    groups = [group for (group,) in _rows(f"select _id from {_of(files['groups'])} order by _id")]
    _write(
        files["group_members"],
        MEMBERS,
        (
            [{"group_id": group, **row} for row in page]
            for group in (groups if wants_members else ())
            for page in _checked(GROUP_MEMBERS, client.pages(GROUP_MEMBERS.path.format(group), GROUP_MEMBERS.scope))
        ),
    )
    return Platform(files, is_whole, asked, waiting)


def _ask_users(
    client: Client,
    files: Mapping[str, Path],
    asked: Path,
    now: datetime,
    earlier: Earlier,
    *,
    asks_all: bool,
) -> int:
    """Ask those whose turn it is for what their custom fields hold; return how many were never asked.

    A seventh of those who are in a session is asked at each pull: who never was comes first, then who was longest ago.
    """
    learners = [
        user
        for (user,) in _rows(
            f"select distinct enrollments.userId from {_of(files['enrollments'])} as enrollments "
            f"inner join {_of(files['sessions'])} as sessions on enrollments.sessionId = sessions._id "
            f"inner join {_of(files['users'])} as users on enrollments.userId = users._id "
            "where users.status is distinct from 'deleted' order by 1"
        )
    ]
    last_asked: dict[str, str] = (
        dict(_rows(f"select user_id, asked_at from {_of(earlier.asked)}")) if earlier.asked else {}
    )
    # Without a field there is no value.
    has_fields = bool(_rows(f"select 1 from {_of(files['custom_fields'])} limit 1"))
    turn = len(learners) if asks_all else -(-len(learners) // NIGHTS)
    due = sorted(learners, key=lambda user: (last_asked.get(user, ""), user))[: turn if has_fields else 0]
    changed = {user for user, at in earlier.updated.items() if at > last_asked.get(user, "")}
    due += sorted(changed.intersection(learners).difference(due)) if has_fields else []
    values: list[dict[str, Any]] = []
    for user in due:
        pages = client.pages(FIELD_VALUES.path.format(user), FIELD_VALUES.scope, is_missing_empty=True)
        values.extend(
            {"user_id": user, "custom_field_id": row["customFieldId"], "value": row.get("value")}
            for page in _checked(FIELD_VALUES, pages)
            for row in page
        )
    now_asked = set(due)
    kept = []
    if earlier.values:
        cut = len(earlier.id_prefix) + 1
        kept = [
            {"user_id": user, "custom_field_id": custom_field, "value": value}
            for user, custom_field, value in _rows(
                f"select substr(user_id, {cut}), substr(custom_field_id, {cut}), value from {_of(earlier.values)}"
            )
            if user not in now_asked
        ]
    _write(files["field_values"], VALUES, [kept, values])
    last_asked |= dict.fromkeys(due, now.isoformat())
    _write(asked, ASKED, [[{"user_id": user, "asked_at": at} for user, at in sorted(last_asked.items())]])
    return sum(user not in last_asked for user in learners) if has_fields else 0


def _land(client: Client, endpoint: Endpoint, file: Path, filters: Mapping[str, str] | None = None) -> None:
    """Write a list into a file."""
    pages = client.pages(endpoint.path, endpoint.scope, {**endpoint.filters, **(filters or {})})
    _write(file, endpoint.schema, _checked(endpoint, pages))


def _checked(endpoint: Endpoint, pages: Iterable[list[dict[str, Any]]]) -> Iterator[list[dict[str, Any]]]:
    """Yield the pages whose objects have what they must have. Raises AnswerError for others."""
    for page in pages:
        for row in page:
            lacking = [key for key in endpoint.required if not isinstance(row.get(key), str) or not row[key]]
            if lacking:
                raise AnswerError(f"{endpoint.path} gives an object without its {lacking[0]}. Nothing was delivered.")
        yield page


def _write(file: Path, schema: pa.Schema, pages: Iterable[list[dict[str, Any]]]) -> None:
    """Write objects as rows, with the columns of the schema alone. Raises AnswerError where one has another type."""
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        waiting: list[dict[str, Any]] = []
        for page in pages:
            waiting.extend(page)
            if len(waiting) >= ROWS_A_GROUP:
                writer.write_table(_table(waiting, schema))
                waiting = []
        writer.write_table(_table(waiting, schema))


def _table(rows: list[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    try:
        return pa.Table.from_pylist(rows, schema)
    except UnicodeEncodeError:
        # Half of a letter beyond the basic plane, which JSON can write and no text can hold.
        return pa.Table.from_pylist([_whole_letters(row) for row in rows], schema)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise AnswerError(
            f"The platform's API gives what it does not describe: {error}. Nothing was delivered."
        ) from None


def _whole_letters(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    if isinstance(value, list):
        return [_whole_letters(one) for one in value]
    return {key: _whole_letters(one) for key, one in value.items()} if isinstance(value, dict) else value


def _put_over(earlier: Path, changed: Path, file: Path) -> None:
    """Write the earlier list with what changed since."""
    with closing(duckdb.connect()) as db:
        db.execute(
            f"copy (from {_of(changed)} union all by name from {_of(earlier)} "
            f"where _id not in (select _id from {_of(changed)})) to {quoted_literal(file)} (format parquet)"
        )


def _rows(query: str) -> list[Any]:
    with closing(duckdb.connect()) as db:
        return db.execute(query).fetchall()


def _of(file: Path) -> str:
    return f"read_parquet({quoted_literal(file)})"
