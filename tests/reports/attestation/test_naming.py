"""Folders and files of two sessions never meet, whatever their ids; what an earlier release named goes on."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from reports.attestation.inputs import AttestationInputs
from reports.issuing.naming import session_folder, session_name, zip_names, zip_of
from tests.issuing import issue_from
from warehouse.errors import OpcoError


def test_no_id_is_another_ones_name() -> None:
    # The second is what an earlier release made of the first.
    ids = ["..", "x-5ec1f7e7", "a b", "a/b", "a-b", "é", "e", "~", "s" * 61, "s" * 62]
    names = [session_name(one) for one in ids]
    assert len(set(names)) == len(ids)
    assert len(set(map(session_name, names))) == len(ids)
    assert names[1] == "x-5ec1f7e7"
    assert len({zip_names(one, 1)[0] for one in ids}) == len(ids)


def test_a_folder_and_a_zip_of_an_earlier_release_go_on(tmp_path: Path) -> None:
    earlier = tmp_path / "x-5ec1f7e7"
    (earlier / "issue-1").mkdir(parents=True)
    manifest = earlier / "issue-1" / "manifest.json"
    manifest.write_text(json.dumps({"session_id": ".."}))
    assert session_folder(tmp_path, "..") == earlier
    manifest.write_text(json.dumps({"session_id": "x-5ec1f7e7"}))
    assert session_folder(tmp_path, "..") == tmp_path / session_name("..")
    assert session_folder(tmp_path, "x-5ec1f7e7") == earlier
    name, before = zip_names("a b", 2)
    assert zip_of(tmp_path, "a b", 2).name == name
    (tmp_path / before).touch()
    assert zip_of(tmp_path, "a b", 2).name == before


def test_attestations_of_another_session_are_not_gone_on_from(campus: Any, tmp_path: Path) -> None:
    campus.build()
    for session_id in ("..", "x-5ec1f7e7"):
        campus.session(session_id, "Automne", None, None)
        campus.learner(f"U{session_id}", "Arago", "Ada")
        campus.connected(f"U{session_id}", session_id, "C1", "2026-10-12 07:00:00", "2026-10-12 08:00:00")
        campus.enrolled(f"U{session_id}", session_id)
    warehouse = campus.close()

    def make(session_id: str) -> Any:
        return issue_from(
            warehouse,
            session_id,
            AttestationInputs(),
            folder=tmp_path / "x-5ec1f7e7",
            assets=tmp_path,
            issued_on=date(2027, 1, 15),
        )

    make("x-5ec1f7e7")
    with pytest.raises(OpcoError, match=r"holds attestations of session x-5ec1f7e7, not of \.\."):
        make("..")
    assert sorted(path.name for path in (tmp_path / "x-5ec1f7e7").iterdir()) == [".lock", "issue-1"]
