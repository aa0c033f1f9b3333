"""`opco runs`: what people asked for on the pages is listed, and ended."""

from __future__ import annotations

import fcntl
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from orchestration.home.paths import Home
from orchestration.runs.background import BackgroundRuns
from tests.commands import result_of, run_opco

NOW = datetime.now(UTC)


def ordered(home: Home, minutes_ago: int, **said: object) -> Path:
    """Put an order of some minutes ago into its place."""
    at = NOW - timedelta(minutes=minutes_ago)
    place = home.background_runs / f"{at:%Y%m%dT%H%M%S%f}-0123456789abcdef"
    place.mkdir(parents=True)
    order: dict[str, object] = {"run_id": place.name, "kind": "export", "config": {}, "asked_by": "awa@exemple.fr"}
    order |= {"asked_at": f"{at:%Y-%m-%dT%H:%M:%SZ}", **said}
    (place / "order.json").write_text(json.dumps(order), encoding="utf-8")
    return place


def test_what_runs_and_waits_is_listed_and_ended(home: Home) -> None:
    assert "No run is at work" in run_opco("runs", home=home.folder).stdout
    at_work = ordered(home, 3, kind="attestations", session_id="S-1")
    (at_work / "progress.json").write_text('{"stage": "Making the attestations", "done": 1, "total": 2}')
    (at_work / "used.txt").write_text("75.0")
    stopped, over = ordered(home, 2), ordered(home, 1)
    (over / "result.json").write_text('{"ok": true, "result": null}')
    with (at_work / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        listed = result_of(run_opco("runs", "--json", home=home.folder))["runs"]
        lines = run_opco("runs", home=home.folder).stdout
    assert [(one["run_id"], one["status"]) for one in listed] == [(at_work.name, "running"), (stopped.name, "stopped")]
    assert "attestations S-1" in lines
    assert "75 s" in lines

    ended = run_opco("runs", "--cancel", stopped.name, home=home.folder)
    assert f"Cancelled {stopped.name}" in ended.stdout
    (line,) = (home.portal / "audit.jsonl").read_text(encoding="utf-8").splitlines()
    answer = json.loads(line)
    assert (answer["action"], answer["run_id"], answer["email"]) == ("run_cancelled", stopped.name, None)
    assert answer["client"].startswith("account ")
    # At work no more, it would begin again; what was cancelled does not.
    assert [one.order.run_id for one in BackgroundRuns(home).latest() if BackgroundRuns(home).will_resume(one)] == [
        at_work.name
    ]
    for run_id, fault in ((over.name, "is over already (done)"), (stopped.name, "(cancelled)"), ("../x", "No run has")):
        refused = run_opco("runs", "--cancel", run_id, home=home.folder)
        assert refused.returncode == 2, refused
        assert fault in refused.stderr
