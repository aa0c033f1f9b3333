"""Moodle's database, read in one snapshot: PostgreSQL by COPY, MariaDB and MySQL by a cursor that keeps nothing."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any, BinaryIO, Protocol
from urllib.parse import parse_qsl, unquote, urlsplit

import pyarrow as pa
import pyarrow.csv as pa_csv

from connectors.moodle.schema import Access
from connectors.settings import variable_of_secret
from warehouse.errors import OpcoError, UserError
from warehouse.sql import quoted_identifier, quoted_literal

CONNECT_TIMEOUT_SECONDS = 8
"""With what connecting takes besides, a server that does not answer is reported within ten seconds."""
LOG_BLOCK = 1 << 20
TEXT_BLOCK = 32 << 20
"""Bytes that pyarrow parses at once: of the log, and of tables whose texts have no limit. A row must fit into one."""
ROWS_A_FETCH = 20_000
ARROW_TYPES = {"int": pa.int64(), "text": pa.string(), "number": pa.string()}


class ReplicaConflictError(OpcoError):
    """A PostgreSQL replica ended the snapshot because the primary removed rows that it still saw."""


class Database(Protocol):
    """Moodle's database within one read-only snapshot. `place` and messages never hold the password."""

    engine: str
    version: str
    place: str
    user: str

    @property
    def grantee(self) -> str:
        """The user as GRANT names it."""

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Return all rows of a query that gives few."""

    def batches(
        self, table: str, columns: Mapping[str, str], where: str = "", *, has_long_texts: bool = False
    ) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a table: integers as int64, decimals and texts as text; null and '' stay apart."""

    def tables_like(self, ending: str) -> list[str]:
        """The tables whose names end so; with their schema where that is not the one that is searched."""

    def access_of(self, tables: Mapping[str, Iterable[str]]) -> dict[str, dict[str, Access]]:
        """Tell of columns by table, and of each whether it can be read, is not granted, or is missing."""

    def use_schema(self, schema: str) -> None:
        """Search tables in this schema from now on."""

    def quoted(self, table: str) -> str:
        """The table as queries name it."""

    def qualified(self, table: str) -> str:
        """The table as a GRANT names it."""


@contextmanager
def open_database(
    url: str,
    password: str | None,
    *,
    schema: str | None = None,
    statement_timeout: int = 0,
    source: str = "moodle",
) -> Iterator[Database]:
    """Open Moodle's database for reading, in one snapshot that ends with the context.

    `statement_timeout` is in seconds, 0 leaves the server's own. Raises `UserError` where the database cannot be
    reached, within ten seconds and after one try.
    """
    scheme = urlsplit(url).scheme
    database: _Postgres | _MariaDB
    if scheme in ("postgresql", "postgres"):
        database = _Postgres(url, password, schema, statement_timeout, source)
    else:
        database = _MariaDB(url, password, statement_timeout, source)
    try:
        yield database
    finally:
        database.close()


def _explain(place: str, source: str, message: str, hints: Sequence[tuple[str, str]]) -> UserError:
    """The error of a connection that could not be made: what the server said, and the hint whose pattern it fits."""
    variable = variable_of_secret(source, "password")
    hint = next((text for pattern, text in hints if re.search(pattern, message, re.IGNORECASE)), "")
    hint = (hint or "Check the setting sources.{source}.database.").format(source=source, variable=variable)
    return UserError(f"{place} cannot be read: {message.strip()}. {hint}".replace("..", "."))


_SIGN_IN_HINT = (
    "Check the user in the setting sources.{source}.database and the password in the environment variable {variable}."
)
_HOST_HINT = "Check the host in the setting sources.{source}.database."
_PORT_HINT = (
    "Is the server running, does it accept connections from here, and are host and port right in the setting "
    "sources.{source}.database?"
)
_NAME_HINT = "Check the database's name at the end of the setting sources.{source}.database."
_TLS_HINT = (
    "Check what the setting sources.{source}.database says of TLS: sslmode and sslrootcert (PostgreSQL), "
    "ssl_ca and ssl_verify_identity (MariaDB, MySQL)."
)
_MARIADB_FILES = ("ssl_ca", "ssl_cert", "ssl_key")
_MARIADB_PARAMETERS = (*_MARIADB_FILES, "ssl_verify_identity", "unix_socket")


class _Postgres:
    engine = "PostgreSQL"
    HINTS = (
        ("no encryption", _TLS_HINT),
        ("password authentication failed|no password supplied|pg_hba.conf", _SIGN_IN_HINT),
        ("could not translate host name|Name or service not known", _HOST_HINT),
        ("SSL|certificate", _TLS_HINT),
        ("database .* does not exist", _NAME_HINT),
        ("refused|timeout|timed out|No such file|no route|unreachable", _PORT_HINT),
    )

    def __init__(self, url: str, password: str | None, schema: str | None, statement_timeout: int, source: str) -> None:
        import psycopg2
        from psycopg2.extensions import parse_dsn

        self._errors = psycopg2
        self._password = password
        try:
            given = parse_dsn(url)
        except psycopg2.ProgrammingError:
            raise UserError(
                f"sources.{source}.database is no URL of a database: write it as "
                "postgresql://USER@HOST/DATABASE or mysql://USER@HOST/DATABASE."
            ) from None
        self.user = given.get("user", "")
        self.place = f"Moodle's database {given.get('dbname', '')} at {given.get('host', 'localhost')}"
        secret = {} if password is None else {"password": password}
        options: dict[str, Any] = {"connect_timeout": CONNECT_TIMEOUT_SECONDS, "application_name": "opco"}
        try:
            self._connection = psycopg2.connect(**{**options, **given, **secret})
        except psycopg2.OperationalError as error:
            raise _explain(self.place, source, self._said(error), self.HINTS) from None
        self._connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
        self._connection.set_client_encoding("UTF8")
        version = self._connection.server_version
        self.version = f"{version // 10000}.{version % 10000}"
        self._schema: str | None = schema
        if statement_timeout:
            with self._connection.cursor() as cursor:
                cursor.execute(f"set local statement_timeout = {statement_timeout * 1000}")

    @property
    def grantee(self) -> str:
        return quoted_identifier(self.user) if not re.fullmatch(r"[a-z_][a-z0-9_]*", self.user) else self.user

    def _said(self, error: BaseException) -> str:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        said = lines[0] if lines else type(error).__name__
        return said.replace(self._password, "…") if self._password else said

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except self._errors.Error as error:
            if error.pgcode == "40001" and "recovery" in str(error):
                raise ReplicaConflictError(
                    f"{self.place} is a replica that ended the reading, because rows it still needed were removed on "
                    f"the primary ({self._said(error)}). Set hot_standby_feedback = on on the replica, or a longer "
                    "max_standby_streaming_delay, or read the primary."
                ) from None
            raise _stopped(self.place, self._said(error), getattr(error, "pgcode", None) == "57014") from None

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with self._told(), self._connection.cursor() as cursor:
            cursor.execute(query)
            return list(cursor.fetchall())

    def batches(
        self, table: str, columns: Mapping[str, str], where: str = "", *, has_long_texts: bool = False
    ) -> Iterator[pa.RecordBatch]:
        selected = ", ".join(map(quoted_identifier, columns))
        query = f"select {selected} from {self.quoted(table)}" + (f" where {where}" if where else "")
        copy = f"copy ({query}) to stdout (format csv)"

        def send(stream: BinaryIO) -> None:
            with self._connection.cursor() as cursor:
                cursor.copy_expert(copy, stream, size=1 << 16)

        with self._told():
            yield from _parsed(send, columns, TEXT_BLOCK if has_long_texts else LOG_BLOCK)

    def tables_like(self, ending: str) -> list[str]:
        found = self.rows(
            "select n.nspname, c.relname from pg_class as c join pg_namespace as n on n.oid = c.relnamespace "
            f"where c.relname like '%{ending}' and c.relkind in ('r', 'p', 'v', 'm') "
            "and n.nspname not in ('pg_catalog', 'information_schema') "
            + (f"and n.nspname = {quoted_literal(self._schema)}" if self._schema else "")
        )
        return [f"{schema}.{table}" for schema, table in found]

    def use_schema(self, schema: str) -> None:
        self._schema = schema

    def access_of(self, tables: Mapping[str, Iterable[str]]) -> dict[str, dict[str, Access]]:
        found = {
            (table, column): Access.GRANTED if is_granted else Access.DENIED
            for table, column, is_granted in self.rows(
                "select c.relname, a.attname, has_column_privilege(a.attrelid, a.attnum, 'select') "
                "and has_schema_privilege(c.relnamespace, 'usage') "
                "from pg_attribute as a join pg_class as c on c.oid = a.attrelid "
                "join pg_namespace as n on n.oid = c.relnamespace "
                f"where c.relname in ({', '.join(map(quoted_literal, tables))}) "
                f"and n.nspname = {self._schema_literal} and a.attnum > 0 and not a.attisdropped"
            )
        }
        return {
            table: {column: found.get((table, column), Access.MISSING) for column in columns}
            for table, columns in tables.items()
        }

    @property
    def _schema_literal(self) -> str:
        return "current_schema()" if self._schema is None else quoted_literal(self._schema)

    def quoted(self, table: str) -> str:
        return (f"{quoted_identifier(self._schema)}." if self._schema else "") + quoted_identifier(table)

    def qualified(self, table: str) -> str:
        return f"{self._schema}.{table}" if self._schema else table

    def close(self) -> None:
        self._connection.close()


class _MariaDB:
    HINTS = (
        (
            "to database",
            f"{_NAME_HINT} If it is right, the user has no right there yet: docs/moodle.md has the GRANTs.",
        ),
        ("Access denied", _SIGN_IN_HINT),
        ("Name or service not known|name resolution|getaddrinfo|nodename", _HOST_HINT),
        ("SSL|certificate|TLS", _TLS_HINT),
        ("Unknown database", _NAME_HINT),
        ("refused|timed out|No such file|no route|unreachable", _PORT_HINT),
    )

    def __init__(self, url: str, password: str | None, statement_timeout: int, source: str) -> None:
        import pymysql
        from pymysql.cursors import SSCursor

        self._errors = pymysql.err
        self._unbuffered = SSCursor
        self._password = password
        parts = urlsplit(url)
        given = dict(parse_qsl(parts.query))
        self.user = unquote(parts.username or "")
        self._database = unquote(parts.path.lstrip("/"))
        host = unquote(parts.hostname or "localhost")
        self.place = f"Moodle's database {self._database} at {host}"
        self._require_parameters(given, source)
        ssl: dict[str, Any] = {name: given[name] for name in _MARIADB_FILES if name in given}
        if "ssl_ca" in given:
            ssl["ssl_verify_cert"] = True
            ssl["ssl_verify_identity"] = given.get("ssl_verify_identity") == "true"
        try:
            self._connection = pymysql.connect(
                host=host,
                port=parts.port or 3306,
                user=self.user,
                password=password or "",
                database=self._database,
                unix_socket=given.get("unix_socket"),
                charset="utf8mb4",
                connect_timeout=CONNECT_TIMEOUT_SECONDS,
                autocommit=True,
                **ssl,
            )
        except (pymysql.err.MySQLError, OSError) as error:
            raise _explain(self.place, source, self._said(error), self.HINTS) from None
        (self.version,) = (str(row[0]) for row in self.rows("select version()"))
        self.engine = "MariaDB" if "mariadb" in self.version.lower() else "MySQL"
        self.rows("set session sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES'")
        # A slow reader would be dropped after a minute in the middle of a table.
        self.rows("set session net_write_timeout = 600")
        if statement_timeout:
            variable = "max_statement_time" if self.engine == "MariaDB" else "max_execution_time"
            value = statement_timeout if self.engine == "MariaDB" else statement_timeout * 1000
            self.rows(f"set session {variable} = {value}")
        self.rows("set session transaction isolation level repeatable read")
        self.rows("start transaction with consistent snapshot, read only")

    def _require_parameters(self, given: Mapping[str, str], source: str) -> None:
        """Raise where what stands behind the question mark would be passed over: who asks for TLS has to get it."""
        where = f"of the setting sources.{source}.database"
        if unknown := sorted(given.keys() - set(_MARIADB_PARAMETERS)):
            raise UserError(
                f"{self.place} cannot be read: {', '.join(unknown)} {where} is unknown. MariaDB and MySQL have "
                f"{', '.join(_MARIADB_PARAMETERS)}."
            )
        if given.get("ssl_verify_identity", "false") not in ("true", "false") or (
            given.get("ssl_verify_identity") == "true" and "ssl_ca" not in given
        ):
            raise UserError(
                f"{self.place} cannot be read: ssl_verify_identity {where} is true or false, and needs ssl_ca beside."
            )
        for name in _MARIADB_FILES:
            if name in given and not os.access(given[name], os.R_OK):
                raise UserError(
                    f"{self.place} cannot be read: there is no readable file {given[name]} ({name} {where})."
                )

    @property
    def grantee(self) -> str:
        (who,) = self.rows("select current_user()")[0]
        user, _, host = str(who).rpartition("@")
        return f"'{user}'@'{host}'"

    def _said(self, error: BaseException) -> str:
        said = str(error.args[1]) if len(error.args) > 1 else str(error)
        return said.replace(self._password, "…") if self._password else said

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        try:
            with self._connection.cursor() as cursor:
                cursor.execute(query)
                return list(cursor.fetchall())
        except self._errors.MySQLError as error:
            raise _stopped(self.place, self._said(error), error.args[0] in (1969, 3024)) from None

    def batches(
        self, table: str, columns: Mapping[str, str], where: str = "", *, has_long_texts: bool = False
    ) -> Iterator[pa.RecordBatch]:
        # A row as one cell of CSV: parsing a cell a column in Python would take two and a half times as long.
        cell = "concat_ws(',', " + ", ".join(_csv_cell(column, kind) for column, kind in columns.items()) + ")"
        query = f"select {cell} from {self.quoted(table)}" + (f" where {where}" if where else "")
        rows_a_fetch = ROWS_A_FETCH // 20 if has_long_texts else ROWS_A_FETCH

        def send(stream: BinaryIO) -> None:
            cursor = self._connection.cursor(self._unbuffered)
            cursor.execute(query)
            rows = iter(cursor.read_next, None)
            while lines := [row[0] for row in islice(rows, rows_a_fetch)]:
                if None in lines:
                    raise OpcoError(
                        f"{self.place}: a row of {table} is longer than the server's max_allowed_packet. Set that "
                        "variable higher on the server."
                    )
                lines.append(b"")
                stream.write(b"\n".join(lines))
            cursor.close()

        self._connection.use_unicode = False
        try:
            yield from _parsed(send, columns, TEXT_BLOCK if has_long_texts else LOG_BLOCK)
        except self._errors.MySQLError as error:
            raise _stopped(self.place, self._said(error), error.args[0] in (1969, 3024)) from None
        finally:
            self._abandon()
            self._connection.use_unicode = True

    def tables_like(self, ending: str) -> list[str]:
        found = self.rows(
            "select table_name from information_schema.tables "
            f"where table_schema = database() and table_name like '%{ending}'"
        )
        return [str(table) for (table,) in found]

    def use_schema(self, schema: str) -> None:
        raise NotImplementedError(f"{self.engine} has no schemas beside databases: {schema}")

    def access_of(self, tables: Mapping[str, Iterable[str]]) -> dict[str, dict[str, Access]]:
        return {table: self._access_of(table, list(columns)) for table, columns in tables.items()}

    def _access_of(self, table: str, columns: Sequence[str]) -> dict[str, Access]:
        # information_schema hides what is not granted: only a query's error tells it from what is missing.
        whole = self._access(table, ", ".join(map(quoted_identifier, columns)))
        if whole is Access.GRANTED:
            return dict.fromkeys(columns, whole)
        return {column: self._access(table, quoted_identifier(column)) for column in columns}

    def _access(self, table: str, columns: str) -> Access:
        try:
            with self._connection.cursor() as cursor:
                cursor.execute(f"select {columns} from {quoted_identifier(table)} limit 0")
        except self._errors.MySQLError as error:
            if error.args[0] in (1142, 1143):
                return Access.DENIED
            if error.args[0] in (1146, 1054):
                return Access.MISSING
            raise _stopped(self.place, self._said(error), False) from None
        return Access.GRANTED

    def quoted(self, table: str) -> str:
        return quoted_identifier(table)

    def qualified(self, table: str) -> str:
        return f"{self._database}.{table}"

    def close(self) -> None:
        if self._connection.open:
            self._abandon()
            self._connection._force_close()

    def _abandon(self) -> None:
        """Leave a table that is read to its middle: PyMySQL would read the rest of it first."""
        result = self._connection._result
        if result is not None and result.unbuffered_active:
            result.unbuffered_active, result.connection = False, None


def _csv_cell(column: str, kind: str) -> str:
    name = quoted_identifier(column)
    if kind == "text":
        return f"""ifnull(concat('"', replace({name}, '"', '""'), '"'), '')"""
    return f"ifnull({name}, '')"


def _stopped(place: str, said: str, is_timeout: bool) -> OpcoError:
    if is_timeout:
        return UserError(
            f"{place}: a query took longer than the server or the setting statement_timeout allows ({said}). "
            "Give statement_timeout more seconds."
        )
    return OpcoError(f"{place} stopped answering, nothing was delivered: {said}")


def _parsed(send: Callable[[BinaryIO], None], columns: Mapping[str, str], block: int) -> Iterator[pa.RecordBatch]:
    """Yield batches of the CSV without a header that `send` writes: an unquoted nothing is null, a quoted one is ''.

    It writes in a thread of its own, while pyarrow parses; what it raises is raised here.
    """
    reading, writing = os.pipe()
    failures: list[BaseException] = []

    def write() -> None:
        try:
            with os.fdopen(writing, "wb", 1 << 20) as stream:
                send(stream)
        except BrokenPipeError:
            pass
        except BaseException as error:  # handed to the thread that reads
            failures.append(error)

    sender = threading.Thread(target=write, name="moodle", daemon=True)
    sender.start()
    try:
        with os.fdopen(reading, "rb") as stream:
            if stream.peek(1):
                yield from pa_csv.open_csv(
                    stream,
                    read_options=pa_csv.ReadOptions(column_names=list(columns), block_size=block, use_threads=False),
                    parse_options=pa_csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
                    convert_options=pa_csv.ConvertOptions(
                        column_types={column: ARROW_TYPES[kind] for column, kind in columns.items()},
                        null_values=[""],
                        strings_can_be_null=True,
                        quoted_strings_can_be_null=False,
                    ),
                )
    except pa.ArrowInvalid:
        # What breaks off ends within a row: the reason is the server's.
        sender.join()
        if not failures:
            raise
    finally:
        sender.join()
    if failures:
        raise failures[0]
