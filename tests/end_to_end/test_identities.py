"""`identities.csv` of a home: a build takes it, a change of it rebuilds everything, a mistake in it stops the build."""

from __future__ import annotations

from pathlib import Path

import duckdb

from tests.commands import Opco, result_of


def test_a_change_of_the_file_is_a_change_of_settings(raw_folder: Path, tmp_path: Path, opco: Opco) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (raw_folder / "users.csv").write_text("user_id,last_name\nu,Martin\nm-u,Martin\n", encoding="utf-8")
    build = ("build", "--raw", raw_folder, "--as-of", "2026-10-01T00:00:00Z", "--json")
    result_of(opco(*build, home=home))
    assert result_of(opco(*build, home=home))["full_refresh_reason"] is None
    file = home / "identities.csv"
    file.write_text("source,user_id,learner\n,u,Martin\n,m-u,Martin\n", encoding="utf-8")
    assert "identities.csv" in result_of(opco(*build, home=home))["full_refresh_reason"]
    with duckdb.connect(str((home / "var/published/opco.duckdb").resolve()), read_only=True) as published:
        assert published.execute("select user_id, person_id from dim_learners order by all").fetchall() == [
            ("m-u", "u"),
            ("u", "u"),
        ]
    file.write_text("source,user_id,learner\nmoodle,u,Martin\n", encoding="utf-8")
    failed = opco(*build, home=home)
    assert failed.returncode == 2
    assert "line 2 names the unknown source 'moodle'" in failed.stderr
