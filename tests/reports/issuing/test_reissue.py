"""Issued means frozen: what the next issue keeps, replaces and cancels, and why."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from datetime import date
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

import duckdb
import pypdfium2
import pytest

from reports.attestation.inputs import AttestationInputs
from reports.issuing import workers
from reports.issuing.issue import Foresight, IssueSummary, NothingToAttestError
from reports.issuing.manifest import Cause, read_manifest
from reports.issuing.verify import verify
from reports.issuing.workers import Limits
from tests.issuing import foresee_from, issue_from
from warehouse.errors import OpcoError, UserError

SESSION = "SST-26"
SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" height="9" fill="{}"/></svg>'
Issue = Callable[..., IssueSummary]


@pytest.fixture
def warehouse(campus: Any) -> Path:
    """A session of three learners with an hour each; a fourth is enrolled."""
    campus.build()
    campus.session(SESSION, "Automne", None, None)
    for user_id, last_name in (("U1", "Arago"), ("U2", "Biot"), ("U3", "Cuvier"), ("U4", "Darcet")):
        campus.learner(user_id, last_name, "Ada")
    for user_id in ("U1", "U2", "U3"):
        campus.connected(user_id, SESSION, "C1", "2026-10-12 07:00:00", "2026-10-12 08:00:00")
    for user_id in ("U1", "U2", "U3", "U4"):
        campus.enrolled(user_id, SESSION)
    path = campus.close()
    assert isinstance(path, Path)
    return path


@pytest.fixture
def issue(warehouse: Path, tmp_path: Path) -> Issue:
    """Issue the session's attestations on a day of January 2027."""
    (tmp_path / "assets").mkdir()

    def make(day: int = 15, inputs: AttestationInputs | None = None, **options: Any) -> IssueSummary:
        return issue_from(
            warehouse,
            SESSION,
            inputs or AttestationInputs(),
            folder=tmp_path / "issues",
            assets=tmp_path / "assets",
            issued_on=date(2027, 1, day),
            **options,
        )

    return make


def change(warehouse: Path, *statements: str) -> None:
    """Change the published file as a later build would, totals included."""
    with duckdb.connect(str(warehouse)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.execute(
            """
            update fct_learner_sessions set
                has_played = sums.count > 0, connection_count = sums.count, elapsed_seconds = sums.elapsed,
                retained_seconds = sums.retained, last_connection_at = sums.last, connection_day_count = sums.days
            from (
                select
                    user_id, count(connection_id) as count, coalesce(sum(elapsed_seconds), 0) as elapsed,
                    coalesce(sum(retained_seconds), 0) as retained, max(disconnected_at) as last,
                    count(distinct timezone('Europe/Paris', connected_at at time zone 'UTC')::date) as days
                from dim_learners
                left join fct_opco_connections using (user_id)
                group by user_id
            ) as sums
            where sums.user_id = fct_learner_sessions.user_id
            """
        )


LATE = """
    insert into fct_opco_connections
    select 'K9', user_id, session_id, course_id, '2026-10-20 07:00:00', '2026-10-20 07:30:00', end_kind,
        evidence_level, 1800, 0, 0, 1800, false, false, false, course_name, flags
    from fct_opco_connections where connection_id = 'K1'
"""
CORRECTED = """
    update fct_opco_connections
    set disconnected_at = '2026-10-12 07:50:00', elapsed_seconds = 3000, retained_seconds = 3000
    where user_id = 'U1' and connection_id = 'K1'
"""


def words(summary: IssueSummary, user_id: str) -> str:
    (document,) = (one for one in summary.documents if one.user_id == user_id)
    page = pypdfium2.PdfDocument(summary.folder / document.file)[0]
    return " ".join(page.get_textpage().get_text_bounded().split())


def test_nothing_changed_returns_the_issue_in_force(issue: Issue, warehouse: Path, tmp_path: Path) -> None:
    first = issue()
    # Another day, another build, an event elsewhere: nothing that is printed beside dates and data as of.
    change(warehouse, "update warehouse_build set build_id = 'b-2', data_as_of = '2027-01-16 02:00:00'")
    again = issue(16)
    assert (first.is_new, again.is_new) == (True, False)
    assert (again.folder, again.manifest) == (first.folder, first.manifest)
    assert sorted(path.name for path in (tmp_path / "issues").iterdir()) == [".lock", "issue-1"]


def test_who_did_not_change_keeps_the_document_and_who_did_gets_another(issue: Issue, warehouse: Path) -> None:
    first = issue()
    change(warehouse, LATE, CORRECTED, "update warehouse_build set data_as_of = '2027-01-20 02:00:00'")
    second = issue(20)
    assert second.folder.name == "issue-2"
    states = {one.user_id: one.state for one in second.documents}
    assert states == {"U1": "replaced", "U2": "kept", "U3": "kept"}
    before = {one.user_id: one for one in first.documents}
    after = {one.user_id: one for one in second.documents}
    for user_id in ("U2", "U3"):
        earlier, kept = before[user_id], after[user_id]
        assert (kept.number, kept.issue_number, kept.issued_on) == (f"SST-26/{user_id}/1", 1, "2027-01-15")
        assert (second.folder / kept.file).read_bytes() == (first.folder / earlier.file).read_bytes()
    one = after["U1"]
    assert (one.number, one.issued_on, one.data_as_of) == ("SST-26/U1/2", "2027-01-20", "2027-01-20T02:00:00.000000Z")
    assert one.replaces == {"number": "SST-26/U1/1", "issued_on": "2027-01-15"}
    # 60 minutes; 50 and 30 minutes.
    assert (one.seconds_before, one.total_seconds) == (3600, 4800)
    assert one.causes == (Cause("late_rows", 1), Cause("corrected_rows", 1))
    assert "Annule et remplace l’attestation n° SST-26/U1/1 du 15 janvier 2027." in words(second, "U1")
    assert "Annule et remplace" not in words(second, "U2")
    assert read_manifest(second.folder).previous_issue == 1
    # The first issue stands as it was.
    assert verify(first.folder).faults == []
    assert verify(second.folder).faults == []


def test_a_replaced_document_in_english(issue: Issue, warehouse: Path) -> None:
    issue(inputs=AttestationInputs(language="en"))
    change(warehouse, LATE)
    second = issue(16, AttestationInputs(language="en"))
    assert "Cancels and replaces attestation no. SST-26/U1/1 of 15 January 2027." in words(second, "U1")


def test_an_input_that_changed_replaces_all_and_is_named(issue: Issue) -> None:
    issue()
    second = issue(16, AttestationInputs(place="Lyon", footer="SIRET 1"))
    assert {one.state for one in second.documents} == {"replaced"}
    assert {one.causes for one in second.documents} == {(Cause("inputs", names=("place", "footer")),)}
    assert {(one.seconds_before, one.total_seconds) for one in second.documents} == {(3600, 3600)}


def test_an_issue_that_nobody_asked_for_goes_on_with_what_a_person_chose(
    issue: Issue, warehouse: Path, tmp_path: Path
) -> None:
    (tmp_path / "assets" / "stamp.svg").write_text(SVG.format("red"), encoding="utf-8")
    issue(15, AttestationInputs(name="Chez Awa", place="Brest", language="en", stamp="stamp.svg"))
    # What the settings say, and the image, changed: no reason to replace by night what was issued by day.
    (tmp_path / "assets" / "stamp.svg").write_text(SVG.format("blue"), encoding="utf-8")
    settings = AttestationInputs(name="Trois Rives", place="Lyon")
    assert not issue(16, settings, reuse_inputs=True).is_new

    change(warehouse, LATE)
    second = issue(17, settings, reuse_inputs=True)
    assert {one.user_id: one.state for one in second.documents} == {"U1": "replaced", "U2": "kept", "U3": "kept"}
    assert "Chez Awa" in words(second, "U1")
    assert "Brest" in words(second, "U1")
    (replaced,) = (one for one in second.documents if one.state == "replaced")
    # What is printed all the same is told.
    assert replaced.causes == (Cause("late_rows", 1), Cause("inputs", names=("stamp",)))
    # A person's word replaces all.
    assert {one.state for one in issue(18, settings).documents} == {"replaced"}


def test_the_first_issue_that_nobody_asked_for_says_what_the_settings_say(issue: Issue) -> None:
    assert "Trois Rives" in words(issue(15, AttestationInputs(name="Trois Rives"), reuse_inputs=True), "U1")


@pytest.mark.parametrize(
    ("statement", "causes"),
    [
        ("update dim_learners set last_name = 'Arago-Lucas' where user_id = 'U1'", (Cause("learner"),)),
        ("update fct_learner_sessions set progress_pct = 50 where user_id = 'U1'", (Cause("results"),)),
        ("update fct_opco_connections set course_name = 'Autre' where user_id = 'U1'", (Cause("corrected_rows", 1),)),
        ("delete from fct_opco_connections where connection_id = 'K8'", (Cause("withdrawn_rows", 1),)),
    ],
    ids=["name", "progress", "course", "withdrawn"],
)
def test_why_a_document_changed(issue: Issue, warehouse: Path, statement: str, causes: tuple[Cause, ...]) -> None:
    change(warehouse, LATE.replace("'K9'", "'K8'"))
    issue()
    change(warehouse, statement)
    second = issue(16)
    assert {one.user_id: one.state for one in second.documents}["U1"] == "replaced"
    assert sum(one.state == "replaced" for one in second.documents) == 1
    found = {one.user_id: one.causes for one in second.documents}["U1"]
    # Both rows of U1 bear the course's name.
    expected = (Cause("corrected_rows", 2),) if causes == (Cause("corrected_rows", 1),) else causes
    assert found == expected


def test_a_setting_that_changed_is_named(issue: Issue, warehouse: Path) -> None:
    issue()
    change(warehouse, "update warehouse_build set inactivity_timeout_minutes = 20")
    second = issue(16)
    assert {one.causes for one in second.documents} == {(Cause("settings", names=("inactivity_timeout_minutes",)),)}
    # What no document prints changes none.
    change(warehouse, "update warehouse_build set long_connection_minutes = 300, raw_timezone = 'Asia/Tokyo'")
    assert not issue(17).is_new


def test_another_edition_of_the_rules_is_named_where_figures_changed(issue: Issue, warehouse: Path) -> None:
    first = issue()
    # As the first edition wrote it.
    manifest = json.loads((first.folder / "manifest.json").read_text(encoding="utf-8"))
    assert manifest.pop("rules_edition") == 1
    (first.folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    change(warehouse, CORRECTED, "update warehouse_build set rules_edition = 2")
    second = issue(16)
    found = {one.user_id: (one.state, one.causes) for one in second.documents}
    assert found == {
        "U1": ("replaced", (Cause("rules"), Cause("corrected_rows", 1))),
        "U2": ("kept", ()),
        "U3": ("kept", ()),
    }
    assert read_manifest(second.folder).rules_edition == 2
    # Of what follows the data are the cause alone.
    change(warehouse, LATE)
    assert {one.user_id: one.causes for one in issue(17).documents}["U1"] == (Cause("late_rows", 1),)


def test_an_edition_that_changed_no_figure_of_a_learner_is_no_cause(issue: Issue, warehouse: Path) -> None:
    issue()
    change(warehouse, "update warehouse_build set rules_edition = 2")
    assert not issue(16).is_new
    change(warehouse, "update dim_learners set last_name = 'Autre' where user_id = 'U1'")
    assert {one.user_id: one.causes for one in issue(17).documents}["U1"] == (Cause("learner"),)


def test_who_dropped_out_is_cancelled_and_may_come_back(issue: Issue, warehouse: Path) -> None:
    issue()
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute("create table gone as from fct_opco_connections where user_id = 'U2'")
    change(warehouse, "delete from fct_opco_connections where user_id = 'U2'")
    second = issue(16)
    (cancelled,) = second.manifest.cancelled
    assert (cancelled.user_id, cancelled.number, cancelled.issued_on) == ("U2", "SST-26/U2/1", "2027-01-15")
    assert (cancelled.cancelled_by_issue, cancelled.reason, cancelled.total_seconds) == (2, "never_played", 3600)
    assert [one.user_id for one in second.documents] == ["U1", "U3"]
    assert {one.state for one in second.documents} == {"kept"}
    assert not issue(17).is_new
    change(warehouse, "insert into fct_opco_connections from gone")
    fourth = issue(18)
    assert fourth.manifest.cancelled == ()
    assert "Annule et remplace l’attestation n° SST-26/U2/1 du 15 janvier 2027." in words(fourth, "U2")


def test_force_makes_all_anew(issue: Issue) -> None:
    issue()
    second = issue(16, force=True)
    assert [one.number for one in second.documents] == ["SST-26/U1/2", "SST-26/U2/2", "SST-26/U3/2"]
    assert {one.causes for one in second.documents} == {(Cause("asked_for"),)}


def test_who_instructs_the_session_gets_one_once_named(issue: Issue, warehouse: Path) -> None:
    issue()
    change(warehouse, "update fct_learner_sessions set is_instructor = true where user_id in ('U1', 'U2')")
    change(warehouse, "update fct_learner_sessions set is_enrolled = false where user_id in ('U2', 'U3')")
    second = issue(16)
    assert [(one.user_id, one.state) for one in second.documents] == [("U1", "kept"), ("U3", "kept")]
    assert [(one.user_id, one.reason) for one in second.manifest.cancelled] == [("U2", "instructs_the_session")]
    assert [(one.user_id, one.reason) for one in second.left_out] == [
        ("U2", "instructs_the_session"),
        ("U4", "never_played"),
    ]
    third = issue(17, users=["U2"])
    assert [(one.user_id, one.state) for one in third.documents] == [
        ("U1", "kept"),
        ("U2", "replaced"),
        ("U3", "kept"),
    ]
    assert not issue(18).is_new
    change(warehouse, "delete from fct_opco_connections where user_id <> 'U2'")
    named = [(one.user_id, one.state) for one in issue(19).documents]
    assert named == [("U2", "kept")]


def test_a_session_that_its_instructor_alone_played_is_not_attested(issue: Issue, warehouse: Path) -> None:
    change(warehouse, "update fct_learner_sessions set is_instructor = true, is_enrolled = false")
    with pytest.raises(NothingToAttestError, match=r"instruct it and are not enrolled, .* --user USER"):
        issue()
    assert [one.user_id for one in issue(users=["U1"]).documents] == ["U1"]


def test_only_who_is_asked_for_is_made_anew(issue: Issue, warehouse: Path) -> None:
    first = issue(users=["u1@EXAMPLE.org"])
    assert [one.user_id for one in first.documents] == ["U1"]
    assert [(one.user_id, one.reason) for one in first.left_out] == [
        ("U2", "not_asked_for"),
        ("U3", "not_asked_for"),
        ("U4", "never_played"),
    ]
    change(warehouse, LATE)
    second = issue(16, users=["U3"])
    assert [(one.user_id, one.state) for one in second.documents] == [("U1", "kept"), ("U3", "new")]
    assert second.manifest.asked_for == ("U3",)
    third = issue(17)
    assert [(one.user_id, one.state) for one in third.documents] == [
        ("U1", "replaced"),
        ("U2", "new"),
        ("U3", "kept"),
    ]
    with pytest.raises(UserError, match=r'has no learner "U9" \(user_id or e-mail\)\. Nearest: U1, U2, U3\.'):
        issue(users=["U1", "U9"])
    with pytest.raises(UserError, match="None of the learners asked for has a connection"):
        issue(users=["U4"])


def test_an_earlier_pdf_that_was_changed_is_not_carried_on(issue: Issue, warehouse: Path) -> None:
    first = issue()
    with (first.folder / first.documents[1].file).open("ab") as stream:
        stream.write(b"%")
    change(warehouse, LATE)
    with pytest.raises(OpcoError, match=r"Biot Ada \(U2\): The PDF of document SST-26/U2/1.* changed since.*--force"):
        issue(16)
    assert issue(16, force=True).issue_number == 2


@pytest.mark.parametrize("workers", [0, 2])
def test_one_failure_loses_no_other_and_the_next_run_makes_what_is_missing(
    issue: Issue, warehouse: Path, tmp_path: Path, workers: int
) -> None:
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute("update fct_learner_sessions set retained_seconds = 3599 where user_id = 'U2'")
    with pytest.raises(OpcoError) as failure:
        issue(workers=workers)
    text = str(failure.value)
    assert text.startswith("1 of 3 attestations could not be made, so issue 1 is not complete")
    assert "Biot Ada (U2): The log of learner U2" in text
    assert "U1" not in text
    made = {path.name: path.stat().st_ino for path in (tmp_path / "issues").glob(".issue-1.part/*.pdf")}
    assert sorted(made) == ["attestation-ARAGO-Ada-U1.pdf", "attestation-CUVIER-Ada-U3.pdf"]
    change(warehouse)
    done: list[str] = []
    whole = issue(workers=workers, on_progress=lambda _done, _total, learner: done.append(learner))
    assert sorted(done) == ["", "Arago Ada", "Biot Ada", "Cuvier Ada"]
    assert {path.name: path.stat().st_ino for path in whole.folder.iterdir() if path.name in made} == made
    assert len(whole.documents) == 3
    assert sorted(path.name for path in (tmp_path / "issues").iterdir()) == [".lock", "issue-1"]
    assert verify(whole.folder).is_sound


def test_what_a_run_left_of_another_day_is_made_again(issue: Issue, warehouse: Path, tmp_path: Path) -> None:
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute("update fct_learner_sessions set retained_seconds = 3599 where user_id = 'U2'")
    with pytest.raises(OpcoError):
        issue(15)
    (tmp_path / "issues" / ".issue-1.4242.tmp").mkdir()
    (tmp_path / "issues" / ".issue-9.part").mkdir()
    change(warehouse)
    whole = issue(16)
    assert {one.issued_on for one in whole.documents} == {"2027-01-16"}
    assert sorted(path.name for path in (tmp_path / "issues").iterdir()) == [".lock", "issue-1"]


@pytest.fixture
def own_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A program that the processes that make documents begin with."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), str(Path(__file__).parents[3])]))
    forkserver._forkserver._stop()  # type: ignore[attr-defined]
    yield tmp_path / "sitecustomize.py"
    forkserver._forkserver._stop()  # type: ignore[attr-defined]


def test_a_process_that_dies_fails_its_document_alone(campus: Any, tmp_path: Path, own_processes: Path) -> None:
    campus.build()
    campus.session(SESSION, "Automne", None, None)
    for number in range(6):
        name = "Fatal" if number == 3 else f"Nom{number}"
        campus.learner(f"U{number}", name, None)
        campus.connected(f"U{number}", SESSION, "C1", "2026-10-12 07:00:00", "2026-10-12 08:00:00")
        campus.enrolled(f"U{number}", SESSION)
    # A fault in a system library, such as one letter of a name might meet.
    own_processes.write_text(
        "import os, sys\n"
        "sys.addaudithook(lambda event, args: event == 'open' and 'FATAL' in str(args[0]) "
        "and 'w' in str(args[1]) and os._exit(9))\n"
    )
    with pytest.raises(OpcoError) as failure:
        issue_from(
            campus.close(),
            SESSION,
            AttestationInputs(),
            folder=tmp_path / "issues",
            assets=tmp_path,
            issued_on=date(2027, 1, 15),
            workers=2,
        )
    assert "1 of 6 attestations could not be made" in str(failure.value)
    assert "Fatal (U3): the process that made it died" in str(failure.value)
    assert len(list((tmp_path / "issues").glob(".issue-1.part/*.pdf"))) == 5


def test_a_process_that_dies_while_it_waits_costs_no_document(issue: Issue, monkeypatch: pytest.MonkeyPatch) -> None:
    processes: list[Any] = []
    start = workers._Process._start

    def noted(process: Any) -> None:
        start(process)
        processes.append(process)

    monkeypatch.setattr(workers._Process, "_start", noted)

    def kill(done: int, total: int, learner: str) -> None:
        del total, learner
        if done == 1:
            (process,) = processes
            process._child.kill()
            while not process._executor._broken:
                time.sleep(0.01)

    assert len(issue(workers=1, on_progress=kill).documents) == 3
    assert len(processes) == 2


def test_processes_that_cannot_begin_are_told_in_words(issue: Issue, own_processes: Path) -> None:
    own_processes.write_text("import os, sys\nif 'forkserver' in str(sys.orig_argv): os._exit(9)\n")
    with pytest.raises(OpcoError, match="The processes that make the documents die as they start"):
        issue(workers=2)


def test_a_document_beyond_its_time_or_memory_fails_alone_and_in_words(
    campus: Any, tmp_path: Path, own_processes: Path
) -> None:
    campus.build()
    campus.session(SESSION, "Automne", None, None)
    for number, name in enumerate(("Nom", "Lent", "Lourd", "Autre")):
        campus.learner(f"U{number}", name, None)
        campus.connected(f"U{number}", SESSION, "C1", "2026-10-12 07:00:00", "2026-10-12 08:00:00")
        campus.enrolled(f"U{number}", SESSION)
    # What a document might meet that never ends, or grows.
    own_processes.write_text(
        "import sys\n"
        "def meet(event, args):\n"
        "    if event == 'open' and 'w' in str(args[1]):\n"
        "        while 'LENT' in str(args[0]): pass\n"
        "        if 'LOURD' in str(args[0]): bytearray(3 * 10**9)\n"
        "sys.addaudithook(meet)\n"
    )
    with pytest.raises(OpcoError) as failure:
        issue_from(
            campus.close(),
            SESSION,
            AttestationInputs(),
            folder=tmp_path / "issues",
            assets=tmp_path,
            issued_on=date(2027, 1, 15),
            workers=2,
            limits=Limits(seconds=3, memory=2 * 10**9),
        )
    message = str(failure.value)
    assert "2 of 4 attestations could not be made" in message
    assert "Lent (U1): it took more than the 3 seconds of processor time that the setting attestations.docum" in message
    assert "Lourd (U2): it took more than the 2000 MB of memory that the setting attestations.document_mem" in message
    assert len(list((tmp_path / "issues").glob(".issue-1.part/*.pdf"))) == 2


def test_two_runs_on_one_session_are_refused(issue: Issue, tmp_path: Path) -> None:
    refused: list[str] = []

    def meanwhile(done: int, total: int, learner: str) -> None:
        del total, learner
        if done == 1:
            with pytest.raises(OpcoError, match="Another run is making documents") as failure:
                issue()
            refused.append(str(failure.value))

    issue(on_progress=meanwhile)
    assert len(refused) == 1


@pytest.mark.parametrize(
    ("changes", "inputs", "force", "foreseen"),
    [
        ((), AttestationInputs(), False, Foresight(0, 0, 3, 0, (), 0)),
        ((), AttestationInputs(), True, Foresight(0, 3, 0, 0, (), 0)),
        ((), AttestationInputs(place="Lyon"), False, Foresight(0, 3, 0, 0, ("place",), 3)),
        ((LATE,), AttestationInputs(place=" "), False, Foresight(0, 1, 2, 0, (), 0)),
        ((CORRECTED,), AttestationInputs(footer="SIRET 1"), False, Foresight(0, 3, 0, 0, ("footer",), 2)),
        (
            (
                "update fct_opco_connections set user_id = 'U4' where user_id = 'U3'",
                "update fct_learner_sessions set first_connected_at = '2026-10-12 07:00:00' where user_id = 'U4'",
            ),
            AttestationInputs(),
            False,
            Foresight(1, 0, 2, 1, (), 0),
        ),
    ],
)
def test_what_the_next_issue_would_do_is_told_before_it_is_made(
    issue: Issue,
    warehouse: Path,
    tmp_path: Path,
    changes: tuple[str, ...],
    inputs: AttestationInputs,
    force: bool,
    foreseen: Foresight,
) -> None:
    def told() -> Foresight | None:
        places = {"folder": tmp_path / "issues", "assets": tmp_path / "assets"}
        return foresee_from(warehouse, SESSION, inputs, **places, force=force)

    assert told() is None
    first = issue()
    change(warehouse, *changes)
    assert told() == foreseen
    assert [path.name for path in (tmp_path / "issues").iterdir() if path.name != ".lock"] == ["issue-1"]
    # The issue does what was told.
    made = issue(16, inputs, force=force)
    states: list[str] = [one.state for one in made.documents] if made.is_new else ["kept"] * len(first.documents)
    assert [states.count(state) for state in ("new", "replaced", "kept")] == [
        foreseen.new,
        foreseen.replaced,
        foreseen.kept,
    ]
    assert (len(made.manifest.cancelled) if made.is_new else 0) == foreseen.cancelled
