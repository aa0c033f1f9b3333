"""Downloads and attendance reports as sources of one home: delivered together, again, corrected, and built."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import duckdb
import pytest

from connectors.delivery import Delivery, deliver
from connectors.moodle_log.settings import MoodleLogSettings
from connectors.report import SourceReport
from connectors.source import Source
from connectors.virtual_classes.settings import VirtualClassesSettings
from tests.commands import Opco
from tests.connectors.moodle_downloads import KARIM, PAUL, ZOE, line, write_log, write_participants
from warehouse.errors import UserError

ZOE_ID = "mail-" + sha256(b"zoe.lambert@exemple.fr").hexdigest()[:16]
START = datetime(2026, 11, 5, 4, tzinfo=UTC)
ZOOM_HEAD = "Name (Original Name),User Email,Join Time,Leave Time,Duration (Minutes)\n"
TABLE = "report,session_id,course_id,course_name,date,timezone\n"


@dataclass
class FilesHome:
    """A home with both sources, pulled one hour after the other."""

    path: Path
    instructors: tuple[str, ...] = ()
    pulls: int = 0

    @property
    def downloads(self) -> Path:
        return self.path / "imports/moodle"

    @property
    def reports(self) -> Path:
        return self.path / "imports/classes"

    @property
    def sources(self) -> dict[str, Source]:
        return {
            "moodle-log": MoodleLogSettings(instructors=self.instructors).source(),
            "virtual-classes": VirtualClassesSettings(timezone="Europe/Paris").source(),
        }

    def write_class(self, report: str, *lines: str, session: str = "EXCEL-1", table: str | None = None) -> None:
        self.reports.mkdir(parents=True, exist_ok=True)
        (self.reports / report).write_text(ZOOM_HEAD + "".join(f"{one}\n" for one in lines), encoding="utf-8")
        rows = table if table is not None else f"{report},{session},VC-1,Classe virtuelle,2026-10-13,\n"
        (self.reports / "classes.csv").write_text(TABLE + rows, encoding="utf-8")

    def pull(self, *names: str, **options: Any) -> Delivery:
        self.pulls += 1
        chosen = {name: source for name, source in self.sources.items() if not names or name in names}
        return deliver(
            self.path / "var/sources/raw",
            chosen,
            home=self.path,
            started_at=START + timedelta(hours=self.pulls),
            **options,
        )


@pytest.fixture
def files_home(tmp_path: Path) -> FilesHome:
    home = FilesHome(tmp_path, instructors=(PAUL[2],))
    write_log(home.downloads, *(line(f"13/10/26, 09:{minute}:00") for minute in range(20, 50, 5)))
    write_participants(home.downloads, ZOE, KARIM, PAUL)
    home.write_class("zoom.csv", "Zoé,zoe.lambert@exemple.fr,10/13/2026 09:00:00 AM,10/13/2026 09:30:00 AM,30")
    return home


def rows(delivery: Delivery, table: str) -> list[dict[str, Any]]:
    parts = list(map(str, (delivery.folder / table).glob("*.parquet")))
    with duckdb.connect() as db:
        found = db.execute("from read_parquet($parts, union_by_name = true)", {"parts": parts})
        names = [column[0] for column in found.description]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def findings(report: SourceReport) -> dict[str, str]:
    return {finding.code: finding.line() for finding in report.findings}


def test_both_are_delivered_at_once_with_what_each_took(files_home: FilesHome) -> None:
    delivery = files_home.pull()
    log, classes = delivery.reports["moodle-log"], delivery.reports["virtual-classes"]
    assert (log.rows["users"], log.rows["enrollments"], log.rows["learning_events"]) == (3, 2, 6)
    assert log.last_activity == datetime(2026, 10, 13, 7, 45, tzinfo=UTC)
    assert (classes.rows["course_connections"], classes.rows["courses"]) == (1, 1)
    assert {row["course_id"] for row in rows(delivery, "courses")} == {"EXCEL-1", "VC-1"}
    assert [row["user_id"] for row in rows(delivery, "course_connections")] == [ZOE_ID]
    # What the log cannot know is said.
    assert {"no_site_pages", "sessions_by_settings"} <= findings(log).keys()


def test_what_was_delivered_is_not_delivered_again_and_new_lines_are(files_home: FilesHome) -> None:
    files_home.pull()
    again = files_home.pull()
    assert again.reports["moodle-log"].rows["learning_events"] == 0
    assert again.reports["virtual-classes"].rows["course_connections"] == 0
    write_log(
        files_home.downloads,
        line("14/10/26, 08:00:00"),
        line("13/10/26, 09:45:00"),
        name="logs_EXCEL-1_20261106-0930.csv",
    )
    assert files_home.pull().reports["moodle-log"].rows["learning_events"] == 1
    assert files_home.pull(is_full=True).reports["moodle-log"].rows["learning_events"] == 7


def test_who_left_the_course_stays_a_participant(files_home: FilesHome) -> None:
    files_home.pull()
    write_participants(files_home.downloads, KARIM, PAUL)
    write_log(files_home.downloads, line("14/10/26, 08:00:00"), name="logs_EXCEL-1_20261106-0930.csv")
    later = files_home.pull()
    assert later.reports["moodle-log"].rows["learning_events"] == 1
    assert len(rows(later, "enrollments")) == 2


def test_a_list_that_comes_later_brings_the_lines_in(files_home: FilesHome) -> None:
    write_participants(files_home.downloads, KARIM, PAUL)
    first = files_home.pull("moodle-log").reports["moodle-log"]
    assert first.rows["learning_events"] == 0
    assert findings(first)["not_a_participant"] == (
        "Left out: lines of people whom no list of participants names, or who share a name; a list, or the "
        "setting users, brings them in (6): logs_EXCEL-1_20261105-0930.csv:2 Zoé Lambert (number 12)"
    )
    write_participants(files_home.downloads, ZOE, name="courseid_7_participants (1).csv")
    assert files_home.pull("moodle-log").reports["moodle-log"].rows["learning_events"] == 6


def test_a_check_writes_nothing_and_says_what_a_pull_would(files_home: FilesHome) -> None:
    before = sorted(files_home.path.rglob("*"))
    log, classes = (source.check(files_home.path) for source in files_home.sources.values())
    assert log.rows["learning_events"] == 6
    assert log.facts["Learners"] == "from 2026-10-13 to 2026-10-13"
    assert classes.facts == {"Reports": "1 taken, 1 lines", "Sessions": "EXCEL-1"}
    assert sorted(files_home.path.rglob("*")) == before


def test_without_another_source_nobody_knows_who_took_part(files_home: FilesHome) -> None:
    with pytest.raises(UserError, match="No other source delivers users"):
        files_home.pull("virtual-classes")
    files_home.pull("moodle-log")
    assert files_home.pull("virtual-classes").reports["virtual-classes"].rows["course_connections"] == 1


@pytest.mark.parametrize(
    ("table", "code", "words"),
    [
        ("other.csv,EXCEL-1,VC-1,Classe,,", "report_left_out", "zoom.csv is not taken: is not in classes.csv"),
        (
            "zo*.csv,EXCEL-1,VC-1,Classe,,\nother.csv,EXCEL-1,VC-1,,,",
            "class_without_report",
            "line 3: there is no report other.csv",
        ),
        (
            "zoom.csv,EXCEL-2,VC-1,Classe,,",
            "report_left_out",
            "its session EXCEL-2 is not delivered by any source (nearest: EXCEL-1)",
        ),
        ("zoom.csv,EXCEL-1,EXCEL1,,,", "report_left_out", "course_name does not name it (nearest: EXCEL-1)"),
    ],
)
def test_a_report_and_the_table_that_do_not_fit_are_listed(
    files_home: FilesHome, table: str, code: str, words: str
) -> None:
    files_home.write_class("zoom.csv", table=f"{table}\n")
    assert words in findings(files_home.pull().reports["virtual-classes"])[code]


def test_a_report_that_cannot_be_read_is_listed_and_the_others_are_taken(files_home: FilesHome) -> None:
    (files_home.reports / "cut.csv").write_bytes(b'Name,Email\n"cut')
    table = "cut.csv,EXCEL-1,EXCEL-1,,,\nzoom.csv,EXCEL-1,EXCEL-1,,,\n"
    (files_home.reports / "classes.csv").write_text(TABLE + table, encoding="utf-8")
    report = files_home.pull().reports["virtual-classes"]
    assert (
        "cut.csv is not taken: the record that begins on line 2 ends inside quotes"
        in findings(report)["report_left_out"]
    )
    assert report.rows["course_connections"] == 1


def test_what_a_corrected_report_no_longer_tells_is_withdrawn(files_home: FilesHome) -> None:
    files_home.pull()
    files_home.write_class("zoom.csv", "Zoé,zoe.lambert@exemple.fr,10/13/2026 09:10:00 AM,10/13/2026 09:30:00 AM,20")
    report = files_home.pull().reports["virtual-classes"]
    assert report.rows["course_connections"] == 1
    assert report.rows["withdrawn_connections"] == 1


def test_a_folder_that_is_not_there_or_holds_no_log_says_what_to_do(files_home: FilesHome) -> None:
    for path in files_home.downloads.glob("logs_*"):
        path.rename(path.with_suffix(".xlsx"))
    with pytest.raises(UserError, match=r"There is no log in .*\n  logs_EXCEL-1_20261105-0930.xlsx: it is no .csv"):
        files_home.pull("moodle-log")
    for path in files_home.downloads.iterdir():
        path.unlink()
    files_home.downloads.rmdir()
    with pytest.raises(UserError, match=r"There is no folder .*imports/moodle"):
        files_home.pull("moodle-log")


def test_class_and_course_at_the_same_time_give_one_total(files_home: FilesHome, opco: Opco) -> None:
    delivery = files_home.pull()
    built = opco("build", "--raw", delivery.folder, "--as-of", "2026-11-05T22:00:00Z", home=files_home.path)
    assert built.returncode == 0, built.stderr
    published = (files_home.path / "var/published/opco.duckdb").resolve()
    with duckdb.connect(str(published), read_only=True) as warehouse:
        assert warehouse.execute(
            "select course_name, evidence_level, end_kind, elapsed_seconds, retained_seconds from fct_opco_connections "
            "order by connected_at"
        ).fetchall() == [
            ("Classe virtuelle", "native_log", "left", 1800, 1800),
            # Traces from 9:20 to 9:45, of which the class until 9:30 has ten minutes.
            ("EXCEL-1", "event_run", "inactivity", 1500, 900),
        ]
        assert warehouse.execute("select sum(retained_seconds) from fct_learner_sessions").fetchall() == [(2700,)]
        assert warehouse.execute("select count(*) from rejected_rows").fetchall() == [(0,)]


def test_a_time_zone_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="no time zone of the IANA list"):
        MoodleLogSettings(timezone="Paris")


def test_classes_take_no_prefix_of_ids_as_theirs_are_those_of_the_other_sources() -> None:
    with pytest.raises(ValueError, match="id_prefix"):
        VirtualClassesSettings.model_validate({"id_prefix": "vc-"})
