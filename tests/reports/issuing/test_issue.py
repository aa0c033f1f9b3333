"""An issue's folder, its manifest and ZIP, who gets a document, and what bad input gets."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import zipfile
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from reports.attestation.inputs import AttestationInputs
from reports.attestation.model import SessionLearner
from reports.issuing.issue import IssueSummary
from reports.issuing.manifest import Making
from reports.issuing.naming import document_number, file_names, zip_names
from tests.issuing import issue_from
from warehouse.errors import OpcoError, UserError

MADE = Making("2027-01-15T09:00:00.000000Z", "opco", "command")
SESSION = "SST 26/É"
PROJECT = Path(__file__).parents[3]
SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="40" height="20"><rect width="40" height="20" fill="#000"/></svg>'


@pytest.fixture
def assets(tmp_path: Path) -> Path:
    folder = tmp_path / "home" / "assets"
    folder.mkdir(parents=True)
    (folder / "logo.svg").write_text(SVG)
    return folder


def filled(campus: Any) -> Path:
    campus.build(cap=120, timeout=20)
    campus.session(SESSION, "Automne", None, None)
    campus.session("SST-27", "Printemps", None, None)
    campus.session("BURO-1", "Bureautique", None, None)
    campus.session("SST-28", "Été", None, None)
    campus.learner("U3", "Zola", "Émile")
    campus.learner("U1", "Éluard", "Paul")
    campus.learner("U2", None, None)
    campus.learner("U4", None, None, deleted=True)
    campus.learner("U5", "Sand", "George", deleted=True)
    campus.learner("U6", "Hugo", "Victor")
    for user_id in ("U1", "U2", "U3", "U4", "U5"):
        campus.connected(user_id, SESSION, "C1", "2026-10-12 07:00:00", "2026-10-12 08:00:00")
    for user_id in ("U1", "U2", "U3", "U4", "U5", "U6"):
        campus.enrolled(user_id, SESSION)
    campus.enrolled("U6", "SST-27")
    campus.connected("U4", "SST-28", "C1", "2026-10-12 07:00:00", "2026-10-12 08:00:00")
    campus.enrolled("U4", "SST-28")
    path = campus.close()
    assert isinstance(path, Path)
    return path


def make(warehouse: Path, assets: Path, folder: Path, **inputs: Any) -> IssueSummary:
    return issue_from(
        warehouse,
        SESSION,
        AttestationInputs(**inputs),
        folder=folder,
        assets=assets,
        issued_on=date(2027, 1, 15),
        making=MADE,
    )


def test_an_issue_lists_its_documents_and_who_was_left_out(campus: Any, assets: Path, tmp_path: Path) -> None:
    folder = tmp_path / "var" / "SST"
    told: list[tuple[int, int, str]] = []
    summary = issue_from(
        filled(campus),
        SESSION,
        AttestationInputs(place="  Lyon ", capacity=" ", logo="logo.svg"),
        folder=folder,
        assets=assets,
        issued_on=date(2027, 1, 15),
        on_progress=lambda done, total, learner: told.append((done, total, learner)),
    )
    assert sorted(path.name for path in folder.iterdir()) == [".lock", "issue-1"]
    assert summary.issue_number == 1
    assert [document.file for document in summary.documents] == [
        "attestation-ELUARD-Paul-U1.pdf",
        "attestation-SAND-George-U5.pdf",
        "attestation-ZOLA-Emile-U3.pdf",
        "attestation-U2.pdf",
    ]
    assert next(document.number for document in summary.documents) == "SST%2026%2F%C3%89/U1/1"
    assert [(one.user_id, one.reason) for one in summary.left_out] == [
        ("U6", "never_played"),
        ("U4", "deleted_without_name"),
    ]
    assert told == [(0, 4, ""), (1, 4, "Éluard Paul"), (2, 4, "Sand George"), (3, 4, "Zola Émile"), (4, 4, "U2")]
    manifest = json.loads((summary.folder / "manifest.json").read_text())
    assert manifest["session_id"] == SESSION
    assert manifest["issued_on"] == "2027-01-15"
    assert manifest["data_as_of"] == "2027-01-15T02:00:00.000000Z"
    assert manifest["build_id"] == "b-1"
    assert manifest["inputs"] == {
        "organisation_name": None,
        "legal_representative": None,
        "capacity": None,
        "training_duration": None,
        "place": "Lyon",
        "footer": None,
        "language": "fr",
        "logo": {"file": "logo.svg", "sha256": hashlib.sha256(SVG.encode()).hexdigest()},
        "stamp": None,
        "custom_fields": [],
        "nouns": {},
        "log_limits": [],
        "folds_zero_seconds": True,
        "left_out": [],
    }
    assert manifest["settings"] == {
        "inactivity_timeout_minutes": 20,
        "max_connection_minutes": 120,
        "long_connection_minutes": 480,
        "raw_timezone": "UTC",
        "display_timezone": "Europe/Paris",
    }
    assert [document["total_seconds"] for document in manifest["documents"]] == [3600, 3600, 3600, 3600]
    assert {one["user_id"] for one in manifest["left_out"]} == {"U4", "U6"}
    for document in manifest["documents"]:
        content = (summary.folder / document["file"]).read_bytes()
        assert document["sha256"] == hashlib.sha256(content).hexdigest()
        assert document["bytes"] == len(content)
    assert summary.zip_path == summary.folder / zip_names(SESSION, 1)[0]
    assert summary.zip_sha256 == hashlib.sha256(summary.zip_path.read_bytes()).hexdigest()
    with zipfile.ZipFile(summary.zip_path) as archive:
        members = archive.namelist()
        assert members == sorted([*(document["file"] for document in manifest["documents"]), "manifest.json"])
        for member in members:
            assert archive.read(member) == (summary.folder / member).read_bytes()


def test_an_issue_that_lost_its_manifest_stops_the_next(campus: Any, assets: Path, tmp_path: Path) -> None:
    warehouse, folder = filled(campus), tmp_path / "issues"
    make(warehouse, assets, folder)
    (folder / "issue-7").mkdir()
    with pytest.raises(OpcoError, match=r"issue-7/manifest.json cannot be read.*Restore"):
        make(warehouse, assets, folder, place="Lyon")
    assert sorted(path.name for path in folder.iterdir()) == [".lock", "issue-1", "issue-7"]


def test_the_same_bytes_in_another_process(campus: Any, assets: Path, tmp_path: Path) -> None:
    warehouse = filled(campus)
    here = make(warehouse, assets, tmp_path / "here", logo="logo.svg", footer="SIRET 1")
    program = f"""
from datetime import date
from pathlib import Path
from reports.attestation.inputs import AttestationInputs
from tests.issuing import issue_from
from reports.issuing.manifest import Making
issue_from(
    Path({str(warehouse)!r}), {SESSION!r}, AttestationInputs(logo="logo.svg", footer="SIRET 1"),
    folder=Path({str(tmp_path / "there")!r}), assets=Path({str(assets)!r}), issued_on=date(2027, 1, 15), workers=2,
    making={MADE!r},
)
"""
    (tmp_path / "temporary").mkdir()
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), "PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo"}
    environment["TMPDIR"] = str(tmp_path / "temporary")
    subprocess.run([sys.executable, "-c", program], check=True, env=environment, cwd=tmp_path)
    names = sorted(path.name for path in here.folder.iterdir())
    assert len(names) == 6
    for name in names:
        assert (here.folder / name).read_bytes() == (tmp_path / "there" / "issue-1" / name).read_bytes(), name
    assert not list((tmp_path / "temporary").iterdir())


def test_document_numbers_are_never_ambiguous() -> None:
    assert document_number("S1", "U1", 3) == "S1/U1/3"
    pairs = [("a/b", "c"), ("a", "b/c"), ("a%2Fb", "c"), ("A", "b"), ("a", "B"), ("é", "b"), ("e", "b"), ("a ", "b")]
    assert len({document_number(session, user, 1) for session, user in pairs}) == len(pairs)


def test_file_names_never_meet() -> None:
    learners = [
        SessionLearner("1-2", "Dupont", "Marie", False, True, False),
        SessionLearner("2", "Dupont", "Marie 1", False, True, False),
        SessionLearner("a/b", "Ok", None, False, True, False),
        SessionLearner("a-b", "Ok", None, False, True, False),
        SessionLearner("X", "Li", None, False, True, False),
        SessionLearner("x", "Li", None, False, True, False),
        SessionLearner("漢", None, None, False, True, False),
        SessionLearner("字", "../../etc", "\x00", False, True, False),
        SessionLearner("9", "d" * 500, "é" * 500, False, True, False),
    ]
    names = file_names(learners)
    assert len({name.casefold() for name in names.values()}) == len(learners)
    assert names["a-b"] == "attestation-OK-a-b.pdf"
    assert all(len(name) < 200 and name.startswith("attestation-") and name.isascii() for name in names.values())
    assert not any(set(name) & set("/\\\x00 :") for name in names.values())


def test_an_unknown_session_names_the_nearest(campus: Any, assets: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"'SST-2X'.*SST-27 \(Printemps\), SST-28 \(Été\), SST 26/É \(Automne\)\.\n"):
        issue_from(
            filled(campus),
            "SST-2X",
            AttestationInputs(),
            folder=tmp_path / "issues",
            assets=assets,
            issued_on=date(2027, 1, 15),
        )
    assert not (tmp_path / "issues").exists()


@pytest.mark.parametrize(
    ("session_id", "message"),
    [
        ("SST-27", "Nobody has played the session SST-27"),
        ("BURO-1", "Nobody has played the session BURO-1"),
        ("SST-28", "All who played the session SST-28"),
    ],
)
def test_a_session_without_anyone_to_attest(
    campus: Any, assets: Path, tmp_path: Path, session_id: str, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        issue_from(
            filled(campus),
            session_id,
            AttestationInputs(),
            folder=tmp_path / "issues",
            assets=assets,
            issued_on=date(2027, 1, 15),
        )
    assert not (tmp_path / "issues").exists()


def test_a_footer_that_the_page_has_no_room_for(campus: Any, assets: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="The footer takes 7 lines, and a page has room for 6"):
        make(filled(campus), assets, tmp_path / "issues", footer="\n".join("abcdefg"))
    assert [path.name for path in (tmp_path / "issues").iterdir()] == [".lock"]
