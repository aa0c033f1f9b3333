"""The tables and columns of Moodle that are read, and which of them a given database has and lets us read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from warehouse.errors import UserError

if TYPE_CHECKING:
    from connectors.moodle.connection import Database

LOG = "logstore_standard_log"


class Access(StrEnum):
    """Whether a column can be read."""

    GRANTED = "granted"
    DENIED = "not granted"
    MISSING = "missing"


@dataclass(frozen=True)
class Table:
    """A table of Moodle, named without its prefix; `columns` says of each column what it is landed as.

    `number` is a decimal, kept as its text. `modes` are the session modes that cannot do without the table; a
    table that no mode needs may be absent.
    """

    name: str
    columns: Mapping[str, str]
    modes: frozenset[str] = frozenset()
    optional: frozenset[str] = frozenset()

    def is_required(self, mode: str, column: str = "id") -> bool:
        """Tell whether a pull in `mode` stops where the column, or the table, cannot be read."""
        return mode in self.modes and column not in self.optional


MODES = ("course", "group", "cohort")
ALL_MODES = frozenset(MODES)


def _table(
    name: str,
    *,
    ints: str = "",
    texts: str = "",
    numbers: str = "",
    modes: Iterable[str] = (),
    optional: str = "",
) -> Table:
    columns = {
        column: kind
        for kind, listed in (("int", ints), ("text", texts), ("number", numbers))
        for column in listed.split()
    }
    return Table(name, columns, frozenset(modes), frozenset(optional.split()))


TABLES = {
    table.name: table
    for table in (
        _table(
            "user",
            ints="id deleted suspended confirmed timecreated timemodified",
            texts="username firstname lastname email lang institution department description idnumber auth",
            modes=ALL_MODES,
            optional="suspended confirmed timecreated lang institution department description idnumber auth",
        ),
        _table(
            "course",
            ints="id category startdate enddate visible timecreated sortorder",
            texts="fullname shortname idnumber",
            modes=ALL_MODES,
            optional="shortname idnumber visible sortorder",
        ),
        _table(
            "course_categories",
            ints="id parent",
            texts="name idnumber path description",
            modes=ALL_MODES,
            optional="parent path description",
        ),
        _table("cohort", ints="id contextid", texts="name idnumber component", modes=["cohort"], optional="component"),
        _table("cohort_members", ints="cohortid userid timeadded", modes=["cohort"]),
        _table("groups", ints="id courseid", texts="idnumber name", modes=["group"]),
        _table("groups_members", ints="groupid userid timeadded", modes=["group"]),
        _table(
            "enrol", ints="id status courseid customint1 roleid", texts="enrol", modes=["cohort"], optional="roleid"
        ),
        _table("context", ints="id contextlevel instanceid", modes=["course", "cohort"]),
        _table("role", ints="id", texts="shortname archetype", modes=["course"]),
        _table("role_assignments", ints="roleid contextid userid timemodified", modes=["course"]),
        _table("modules", ints="id", texts="name"),
        _table("course_modules", ints="id course module instance section completion visible"),
        _table("course_sections", ints="id course section", texts="name"),
        _table("course_modules_completion", ints="coursemoduleid userid completionstate timemodified"),
        _table("course_completions", ints="userid course timeenrolled timestarted timecompleted"),
        _table(
            "grade_items",
            ints="id courseid iteminstance",
            texts="itemtype itemmodule itemname",
            numbers="gradepass grademax grademin",
        ),
        _table("grade_grades", ints="id itemid userid usermodified timemodified", numbers="finalgrade"),
        _table("quiz", ints="id course", texts="name", numbers="sumgrades grade"),
        _table(
            "quiz_attempts",
            ints="id quiz userid attempt preview timestart timefinish timemodified",
            texts="state",
            numbers="sumgrades",
        ),
        _table("user_info_field", ints="id", texts="shortname name datatype"),
        _table("user_info_data", ints="userid fieldid", texts="data"),
        _table("tag", ints="id", texts="rawname"),
        _table("tag_instance", ints="tagid itemid", texts="itemtype"),
        _table("customfield_field", ints="id", texts="shortname"),
        _table("customfield_data", ints="fieldid instanceid", texts="charvalue value", numbers="decvalue"),
        _table("config", texts="name value"),
        _table("config_plugins", texts="plugin name value"),
        _table(
            LOG,
            ints="id objectid contextlevel contextinstanceid userid courseid relateduserid anonymous timecreated "
            "realuserid",
            texts="eventname origin",
            modes=ALL_MODES,
        ),
    )
}
CONFIG_NAMES = ("release", "version", "siteadmins", "siteguest", "siteidentifier", "timezone")
"""The rows of `config` that are read: it holds secrets beside."""
PLUGIN_CONFIG = (("logstore_standard", ("loglifetime", "jsonformat", "logguests")), ("tool_log", ("enabled_stores",)))
"""The rows of `config_plugins` that are read, by plugin."""


def _literals(values: Iterable[str]) -> str:
    return ", ".join(f"'{value}'" for value in values)


ROWS_READ = {
    "config": f"name in ({_literals(CONFIG_NAMES)})",
    "config_plugins": " or ".join(
        f"(plugin = '{plugin}' and name in ({_literals(names)}))" for plugin, names in PLUGIN_CONFIG
    ),
    "context": "contextlevel in (40, 50)",
    "tag_instance": "itemtype = 'user'",
    "grade_items": "itemtype in ('course', 'mod')",
    "quiz_attempts": "preview = 0 and state = 'finished'",
    "customfield_data": "instanceid > 0",
}
"""Which rows of a table are read, where not all are."""
ROWS_OF_OTHERS = {
    "grade_grades": (
        "grade_items",
        frozenset({"id", "itemtype"}),
        "itemid in (select id from {} where itemtype = 'course')",
    )
}
"""The same by another table, where these columns of it can be read: the condition has a place for its name."""


@dataclass(frozen=True)
class Schema:
    """What a Moodle database has of `TABLES`: `access` of each column by table; `release` as Moodle names itself."""

    prefix: str
    log_table: str
    release: str
    access: Mapping[str, Mapping[str, Access]]

    def real_name(self, table: str) -> str:
        """The table's name in the database."""
        return self.log_table if table == LOG else f"{self.prefix}{table}"

    def readable(self, table: str) -> list[str]:
        """The columns of `table` that can be read, in the order of `TABLES`."""
        return [column for column, access in self.access[table].items() if access is Access.GRANTED]

    def unreadable(self, table: str) -> dict[str, Access]:
        """The columns of `table` that cannot be read, with why."""
        return {column: access for column, access in self.access[table].items() if access is not Access.GRANTED}

    def is_readable(self, table: str) -> bool:
        """Whether any column of `table` can be read."""
        return bool(self.readable(table))

    def require(self, database: Database, mode: str) -> None:
        """Raise where something that a pull in `mode` needs cannot be read: what, and the GRANT to type."""
        missing, denied = [], []
        for table in TABLES.values():
            faults = {
                column: access
                for column, access in self.unreadable(table.name).items()
                if table.is_required(mode, column)
            }
            name = self.real_name(table.name)
            if not faults:
                continue
            if Access.DENIED in faults.values():
                denied.append((table.name, [column for column, access in faults.items() if access is Access.DENIED]))
            gone = [column for column, access in faults.items() if access is Access.MISSING]
            if gone and not self.is_readable(table.name) and len(gone) == len(faults):
                missing.append(f"the table {name}")
            else:
                missing.extend(f"the column {name}.{column}" for column in gone)
        found = f"Moodle {self.release}" if self.release else "a Moodle of unknown release"
        if denied:
            named = "; ".join(f"{self.real_name(table)} ({', '.join(columns)})" for table, columns in denied)
            grants = "\n".join(f"  {self.grant(database, table)}" for table, _ in denied)
            raise UserError(
                f"{database.place} ({found}): the user {database.user} may not read {named}. "
                f"Let the database's administrator type:\n{grants}"
            )
        if missing:
            raise UserError(
                f"{database.place} is {found}, and lacks {', '.join(missing)}, which sessions by {mode} need. "
                "Is this Moodle's own database, and its prefix right (sources.moodle.prefix)?"
            )

    def grant(self, database: Database, table: str) -> str:
        """The statement that lets the pull read `table`: of `user` and the configuration the listed columns alone."""
        present = [column for column, access in self.access[table].items() if access is not Access.MISSING]
        columns = f" ({', '.join(present or TABLES[table].columns)})" if table == "user" else ""
        return f"GRANT SELECT{columns} ON {database.qualified(self.real_name(table))} TO {database.grantee};"


def find_schema(database: Database, prefix: str | None, log_table: str | None) -> Schema:
    """Find the tables of Moodle in `database`.

    Without `prefix` it is that of the only `…logstore_standard_log` there is; none or several of them: `UserError`.
    """
    if prefix is None:
        found = sorted(database.tables_like(LOG))
        if len(found) > 1:
            raise UserError(
                f"{database.place} holds {len(found)} Moodles: {', '.join(found)}. Name one's prefix, for example "
                f'sources.moodle.prefix = "{found[0].rpartition(".")[2].removesuffix(LOG)}"'
                + (", and its schema with sources.moodle.schema." if "." in found[0] else ".")
            )
        if not found:
            # MariaDB and MySQL hide the tables that are not granted.
            if Access.DENIED in database.access_of({f"mdl_{LOG}": ["id"]})[f"mdl_{LOG}"].values():
                found = [f"mdl_{LOG}"]
            elif log_table is None:
                raise UserError(
                    f"{database.place} has no table that ends in {LOG}: it is not Moodle's database, or nothing in it "
                    "is granted to this user. docs/moodle.md has the statements to type; another prefix than mdl_ "
                    "is set with sources.moodle.prefix."
                )
        name = found[0] if found else "mdl_"
        if "." in name:
            schema, _, name = name.partition(".")
            database.use_schema(schema)
        prefix = name.removesuffix(LOG)
    log = log_table or f"{prefix}{LOG}"
    names = {table: log if table == LOG else f"{prefix}{table}" for table in TABLES}
    found_access = database.access_of({names[table]: TABLES[table].columns for table in TABLES})
    access = {table: found_access[names[table]] for table in TABLES}
    release = ""
    if access["config"].get("value") is Access.GRANTED:
        rows = database.rows(f"select value from {database.quoted(names['config'])} where name = 'release'")
        release = str(rows[0][0]) if rows else ""
    return Schema(prefix, log, release, access)
