"""A small Moodle of our own in Moodle's column types, on PostgreSQL or MariaDB, that grows from pull to pull."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import psycopg2

from connectors.moodle.schema import LOG, TABLES
from connectors.moodle.settings import MoodleSettings
from tests.acceptance.mariadb import MariaDB
from tests.acceptance.postgres import Database

Engine = Literal["postgresql", "mariadb"]
NOON = 1_788_264_000
"""2026-09-01 12:00:00 UTC."""
DAY = 86_400
PASSWORD = "r3ader's p@ss:word"

# Moodle's types of its XMLDB: what is not named is an int of 10 digits, or a char of 255.
TYPES = {
    "int1": ("smallint", "tinyint(1)"),
    "int2": ("smallint", "tinyint(2)"),
    "int3": ("smallint", "smallint(3)"),
    "int10": ("bigint", "bigint(10)"),
    "char": ("varchar(255)", "varchar(255)"),
    "text": ("text", "longtext"),
    "number": ("numeric(10,5)", "decimal(10,5)"),
}
COLUMNS = {
    "user.deleted": "int1", "user.suspended": "int1", "user.confirmed": "int1", "user.description": "text",
    "course.visible": "int1", "course_categories.description": "text",
    "course_modules.completion": "int1", "course_modules.visible": "int1",
    "course_modules_completion.completionstate": "int1", "quiz_attempts.preview": "int3",
    "user_info_field.name": "text", "user_info_data.data": "text", "customfield_data.value": "text",
    "config.value": "text", "config_plugins.value": "text", f"{LOG}.anonymous": "int1",
}  # fmt: skip
NEVER_READ = {"user": ("password", "secret"), LOG: ("other", "ip")}
# Moodle's own defaults of columns that are not null there.
INDEXED = ("timecreated", "userid")


@dataclass
class Site:
    """A Moodle. `root` is a connection of the database's owner."""

    engine: Engine
    root: Any
    url: str
    prefix: str = "mdl_"

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> None:
        with self.root.cursor() as cursor:
            cursor.execute(statement, parameters or None)

    def name(self, table: str) -> str:
        quote = '"' if self.engine == "postgresql" else "`"
        return f"{quote}{self.prefix}{table}{quote}"

    def insert(self, table: str, *rows: Mapping[str, Any]) -> None:
        for row in rows:
            columns = ", ".join(f"`{column}`" if self.engine == "mariadb" else f'"{column}"' for column in row)
            marks = ", ".join(["%s"] * len(row))
            self.execute(f"insert into {self.name(table)} ({columns}) values ({marks})", list(row.values()))

    def log(self, *rows: Mapping[str, Any]) -> None:
        for row in rows:
            self.insert(LOG, {**EVENT, **row})

    def create(self, leave_out: Sequence[str] = ()) -> None:
        for table in TABLES.values():
            if table.name in leave_out:
                continue
            columns = []
            for column, kind in table.columns.items():
                if f"{table.name}.{column}" in leave_out:
                    continue
                default = {"int": "int10", "text": "char", "number": "number"}[kind]
                named = COLUMNS.get(f"{table.name}.{column}", default)
                columns.append((column, TYPES[named][self.engine == "mariadb"]))
            columns += [(column, TYPES["text"][self.engine == "mariadb"]) for column in NEVER_READ.get(table.name, ())]
            quote = '"' if self.engine == "postgresql" else "`"
            listed = ", ".join(f"{quote}{column}{quote} {kind}" for column, kind in columns)
            key = ", primary key (id)" if table.columns.get("id") else ""
            tail = (
                " engine=InnoDB default charset=utf8mb4 collate=utf8mb4_unicode_ci" if self.engine == "mariadb" else ""
            )
            self.execute(f"create table {self.name(table.name)} ({listed}{key}){tail}")
        for column in INDEXED:
            self.execute(f"create index {self.prefix}log_{column} on {self.name(LOG)} ({column})")

    def grant(self, *, leave_out: Sequence[str] = ()) -> None:
        """Give the reader what docs/moodle.md says, but for some tables."""
        reader = "reader" if self.engine == "postgresql" else "'reader'@'%'"
        for table in TABLES.values():
            if table.name in leave_out:
                continue
            columns = f" ({', '.join(table.columns)})" if table.name == "user" else ""
            self.execute(f"grant select{columns} on {self.name(table.name)} to {reader}")

    def grant_what_there_is(self) -> None:
        """Give the reader all tables, of whatever columns they are."""
        if self.engine == "postgresql":
            self.execute("grant select on all tables in schema public to reader")
        else:
            self.execute("grant select on moodle.* to 'reader'@'%'")

    def settings(self, **settings: Any) -> MoodleSettings:
        return MoodleSettings(kind="moodle", database=self.url, password=PASSWORD, **settings)  # type: ignore[arg-type]


EVENT: Mapping[str, Any] = {
    "eventname": r"\core\event\course_viewed",
    "origin": "web",
    "userid": 10,
    "courseid": 2,
    "anonymous": 0,
    "contextlevel": 50,
    "contextinstanceid": 2,
    "objectid": None,
    "relateduserid": None,
    "realuserid": None,
}


@contextmanager
def postgres_site(server: Database, name: str) -> Iterator[Site]:
    """Make an empty database of a Moodle on PostgreSQL, with a reader who may do nothing yet."""
    admin = psycopg2.connect(server.url, password=server.password)
    admin.autocommit = True
    folder = server.url.partition("host=")[2]
    with admin.cursor() as cursor:
        cursor.execute("select 1 from pg_roles where rolname = 'reader'")
        if not cursor.fetchone():
            cursor.execute("create role reader login password %s", [PASSWORD])
        cursor.execute(f"drop database if exists {name} with (force)")
        cursor.execute(f"create database {name}")
    root = psycopg2.connect(f"postgresql://opco@/{name}?host={folder}", password=server.password)
    root.autocommit = True
    try:
        yield Site("postgresql", root, f"postgresql://reader@/{name}?host={folder}")
    finally:
        root.close()
        admin.close()


@contextmanager
def mariadb_site(server: MariaDB, name: str) -> Iterator[Site]:
    """Make an empty database of a Moodle on MariaDB, with a reader who may do nothing yet."""
    with server.connect() as admin, admin.cursor() as cursor:
        cursor.execute(f"drop database if exists {name}")
        cursor.execute(f"create database {name} character set utf8mb4 collate utf8mb4_unicode_ci")
        cursor.execute("drop user if exists 'reader'@'%'")
        cursor.execute("create user 'reader'@'%%' identified by %s", [PASSWORD])
    with server.connect(name) as root:
        yield Site("mariadb", root, f"mysql://reader@localhost/{name}?unix_socket={server.socket}")


ODD = "semicolon; comma, \"quoted\", 'apostrophe', back\\slash \\N \\. %s {x}\r\nsecond line\tTab 𝄞🎓 é"
HASH = hashlib.md5(b"gone", usedforsecurity=False).hexdigest()


def fill(site: Site) -> None:
    """What stands there at the first pull, with the traps that a mapping falls into."""
    site.insert(
        "config",
        {"name": "release", "value": "4.5.1+ (Build: 20250110)"},
        {"name": "siteguest", "value": "1"},
        {"name": "siteidentifier", "value": "abc.example.fr"},
        {"name": "timezone", "value": "Europe/Paris"},
        {"name": "smtppass", "value": "not to be read"},
    )
    site.insert(
        "config_plugins",
        {"plugin": "logstore_standard", "name": "loglifetime", "value": "0"},
        {"plugin": "tool_log", "name": "enabled_stores", "value": "logstore_standard"},
    )
    base = {"lang": "fr", "confirmed": 1, "deleted": 0, "suspended": 0, "timemodified": NOON, "timecreated": NOON}
    site.insert(
        "user",
        {**base, "id": 1, "username": "guest", "firstname": "Guest", "lastname": " ", "email": "root@localhost"},
        {**base, "id": 2, "username": "admin", "firstname": "Admin", "lastname": "X", "email": "admin@example.fr"},
        {**base, "id": 10, "username": "ada", "firstname": "Ada", "lastname": ODD, "email": "ada@example.fr",
         "institution": "ACME", "department": "", "description": "<p>" + "é" * 40_000 + "</p>"},
        {**base, "id": 11, "username": "bob", "firstname": "", "lastname": "NULL", "email": "bob@example.fr",
         "institution": None, "department": None, "description": ODD, "suspended": 1},
        {**base, "id": 12, "username": "eve", "firstname": "Eve", "lastname": "N/A", "email": "eve@example.fr",
         "confirmed": 0, "description": ""},
        {**base, "id": 13, "username": f"zoe@example.fr.{NOON}", "firstname": "Zoé", "lastname": "Z", "email": HASH,
         "deleted": 1},
        {**base, "id": 20, "username": "teach", "firstname": "Théo", "lastname": "T", "email": "theo@example.fr"},
    )  # fmt: skip
    site.insert(
        "course_categories",
        {"id": 5, "name": "Bureautique", "idnumber": "BUR", "path": "/5", "parent": 0, "description": "<b>But</b>"},
        {"id": 6, "name": "{mlang fr}Droit{mlang}{mlang en}Law{mlang}", "idnumber": "", "path": "/6", "parent": 0},
    )
    old = NOON - 300 * DAY
    site.insert(
        "course",
        {"id": 1, "category": 0, "fullname": "Campus", "startdate": 0, "enddate": 0, "timecreated": old},
        {"id": 2, "category": 5, "fullname": "Excel", "startdate": NOON - 30 * DAY, "enddate": 0, "timecreated": old,
         "sortorder": 2, "visible": 0},
        {"id": 3, "category": 5, "fullname": "Word", "startdate": NOON + 90 * DAY, "enddate": 0, "timecreated": old,
         "sortorder": 1, "visible": 1},
        {"id": 4, "category": 6, "fullname": "Restored", "startdate": 0, "enddate": 0, "timecreated": NOON,
         "sortorder": 3, "visible": 1},
    )  # fmt: skip
    site.insert(
        "context",
        *({"id": 100 + course, "contextlevel": 50, "instanceid": course} for course in (1, 2, 3, 4)),
        {"id": 205, "contextlevel": 40, "instanceid": 5},
    )
    site.insert(
        "role",
        {"id": 3, "shortname": "editingteacher", "archetype": "editingteacher"},
        {"id": 5, "shortname": "student", "archetype": "student"},
    )
    site.insert(
        "role_assignments",
        {"roleid": 5, "contextid": 102, "userid": 10, "timemodified": NOON - 9 * DAY},
        {"roleid": 5, "contextid": 103, "userid": 11, "timemodified": NOON - 9 * DAY},
        {"roleid": 3, "contextid": 102, "userid": 20, "timemodified": NOON - 9 * DAY},
    )
    site.insert(
        "cohort",
        {"id": 7, "name": "Promo 7", "idnumber": "P7", "contextid": 205},
        {"id": 8, "name": "Promo 8", "idnumber": "", "contextid": 1},
    )
    site.insert("cohort_members", {"cohortid": 7, "userid": 10, "timeadded": NOON - 9 * DAY})
    site.insert(
        "enrol",
        {"id": 1, "enrol": "cohort", "status": 0, "courseid": 2, "customint1": 7},
        {"id": 2, "enrol": "cohort", "status": 0, "courseid": 3, "customint1": 8},
    )
    site.insert(
        "groups",
        {"id": 1, "courseid": 2, "idnumber": "G-1", "name": "Automne"},
        {"id": 2, "courseid": 3, "idnumber": "G-1", "name": "Automne"},
        {"id": 3, "courseid": 3, "idnumber": "", "name": "Seul"},
    )
    site.insert("groups_members", {"groupid": 1, "userid": 10, "timeadded": NOON - 9 * DAY})
    site.insert("user_info_field", {"id": 1, "shortname": "d", "name": "Début", "datatype": "datetime"})
    site.insert("user_info_field", {"id": 2, "shortname": "c", "name": "Accord", "datatype": "checkbox"})
    site.insert("user_info_data", {"userid": 10, "fieldid": 1, "data": str(NOON + 11 * 3600)})
    site.insert("user_info_data", {"userid": 11, "fieldid": 1, "data": "0"}, {"userid": 11, "fieldid": 2, "data": "1"})
    site.insert("modules", {"id": 1, "name": "quiz"})
    site.insert(
        "course_modules",
        {"id": 50, "course": 2, "module": 1, "instance": 4, "section": 30, "completion": 1, "visible": 1},
        {"id": 51, "course": 2, "module": 1, "instance": 5, "section": 30, "completion": 2, "visible": 1},
    )
    # Failed: as a truth value it would be done.
    site.insert("course_modules_completion",
                {"coursemoduleid": 50, "userid": 10, "completionstate": 3, "timemodified": NOON})  # fmt: skip
    site.insert("quiz", {"id": 4, "course": 2, "name": "Test", "sumgrades": "8", "grade": "10"})
    site.insert("grade_items", {"id": 1, "courseid": 2, "itemtype": "mod", "itemmodule": "quiz", "iteminstance": 4,
                                "gradepass": "7", "grademax": "10", "grademin": "0"})  # fmt: skip
    site.insert("grade_items", {"id": 2, "courseid": 2, "itemtype": "course", "grademax": "20", "grademin": "0"})
    site.insert("grade_grades", {"id": 1, "itemid": 2, "userid": 10, "finalgrade": "15.5", "timemodified": NOON})
    attempt = {"quiz": 4, "userid": 10, "preview": 0, "timefinish": NOON, "timemodified": NOON}
    site.insert(
        "quiz_attempts",
        {**attempt, "id": 1, "attempt": 1, "state": "finished", "sumgrades": "5.6"},
        {**attempt, "id": 2, "attempt": 2, "state": "inprogress", "sumgrades": None},
        {**attempt, "id": 3, "attempt": 1, "state": "finished", "sumgrades": "8", "preview": 1, "userid": 20},
    )
    cli = {"origin": "cli", "userid": 2}
    site.log(
        {"id": 1, "timecreated": NOON - 9 * DAY, "eventname": r"\core\event\cohort_member_added", "objectid": 7,
         "relateduserid": 10, "courseid": 0, "contextlevel": 10, **cli},
        {"id": 2, "timecreated": NOON - 9 * DAY, "eventname": r"\core\event\role_assigned", "objectid": 5,
         "relateduserid": 10, **cli},
        # Was a member of the cohort, the group and the course, and left.
        *({"id": 3 + n, "timecreated": NOON - (8 - n % 2) * DAY, "eventname": rf"\core\event\{name}",
           "objectid": thing, "relateduserid": 12, **cli}
          for n, (name, thing) in enumerate((
              ("cohort_member_added", 7), ("cohort_member_removed", 7), ("group_member_added", 1),
              ("group_member_removed", 1), ("role_assigned", 5), ("role_unassigned", 5)))),
        {"id": 9, "timecreated": NOON - 9 * DAY, "eventname": r"\core\event\role_assigned", "objectid": 5,
         "relateduserid": 11, "courseid": 3, **cli},
        {"id": 10, "timecreated": NOON - 9 * DAY, "eventname": r"\core\event\group_member_added", "objectid": 1,
         "relateduserid": 10, **cli},
        {"id": 20, "timecreated": NOON, "courseid": 0, "eventname": r"\core\event\user_loggedin"},
        {"id": 21, "timecreated": NOON + 60},
        {"id": 22, "timecreated": NOON + 120, "origin": "ws"},
        {"id": 23, "timecreated": NOON + 150, "origin": "restore"},
        {"id": 24, "timecreated": NOON + 160, "realuserid": 2},
        {"id": 25, "timecreated": NOON + 170, "eventname": r"\core\event\user_login_failed"},
        {"id": 26, "timecreated": NOON + 180, "courseid": 99},
        {"id": 27, "timecreated": NOON - 5, "courseid": 4},
        {"id": 28, "timecreated": NOON + 190, "userid": 12},
        {"id": 29, "timecreated": NOON + 200, "userid": 11, "courseid": 3},
        {"id": 30, "timecreated": NOON + 210, "userid": 0},
        {"id": 31, "timecreated": NOON + 220, "anonymous": 1},
        {"id": 33, "timecreated": NOON + 230, "userid": 20},
    )  # fmt: skip


def second_day(site: Site) -> None:
    """Rows that were committed late; a learner enrolled after having worked; a grade changed."""
    later = NOON + DAY
    site.log(
        {"id": 32, "timecreated": NOON + 225},
        {"id": 34, "timecreated": later, "eventname": r"\core\event\group_member_added", "objectid": 2,
         "relateduserid": 11, "courseid": 3, "origin": "cli", "userid": 2},
        {"id": 35, "timecreated": later, "eventname": r"\core\event\cohort_member_added", "objectid": 8,
         "relateduserid": 11, "courseid": 0, "contextlevel": 10, "origin": "cli", "userid": 2},
        {"id": 36, "timecreated": later + 60, "userid": 11, "courseid": 3},
    )  # fmt: skip
    site.insert("groups_members", {"groupid": 2, "userid": 11, "timeadded": later})
    site.insert("cohort_members", {"cohortid": 8, "userid": 11, "timeadded": later})
    site.execute(f"update {site.name('quiz_attempts')} set sumgrades = 8, timemodified = %s where id = 1", [later])
    site.execute(f"update {site.name('course_modules_completion')} set completionstate = 2, timemodified = %s", [later])


def third_day(site: Site) -> None:
    """Bob leaves all he is in, each with its event; another attempt is finished."""
    later = NOON + 2 * DAY
    names = (("group_member_removed", 2, 3), ("cohort_member_removed", 8, 0), ("role_unassigned", 5, 3))
    site.log(
        *(
            {"id": 40 + n, "timecreated": later, "eventname": rf"\core\event\{name}", "objectid": thing,
             "relateduserid": 11, "courseid": course, "origin": "cli", "userid": 2}
            for n, (name, thing, course) in enumerate(names)
        ),
        {"id": 45, "timecreated": later + 60, "userid": 11, "courseid": 3},
    )  # fmt: skip
    site.execute(f"delete from {site.name('groups_members')} where userid = 11")
    site.execute(f"delete from {site.name('cohort_members')} where userid = 11")
    site.execute(f"delete from {site.name('role_assignments')} where userid = 11")
    site.execute(
        f"update {site.name('quiz_attempts')} set state = 'finished', sumgrades = 4, timefinish = %s where id = 2",
        [later],
    )


def fourth_day(site: Site) -> None:
    """Ada is deleted: her memberships go by brute force, the event of the deletion alone tells of it."""
    later = NOON + 3 * DAY
    site.log(
        {"id": 50, "timecreated": later - 600, "courseid": 2},
        {"id": 51, "timecreated": later, "eventname": r"\core\event\user_deleted", "objectid": 10,
         "relateduserid": 10, "courseid": 0, "userid": 2},
    )  # fmt: skip
    for table in ("groups_members", "cohort_members", "role_assignments"):
        site.execute(f"delete from {site.name(table)} where userid = 10")
    site.execute(
        f"update {site.name('user')} set deleted = 1, email = %s, username = %s, timemodified = %s where id = 10",
        [HASH, f"ada@example.fr.{later}", later],
    )
