"""What commands and services say, as lines of JSON."""

from __future__ import annotations

import io
import json
import logging
import os
import sys
from typing import Any

import pytest

from orchestration.cli import run
from orchestration.home import Home
from orchestration.log_lines import RUN_ID, JsonLines, record, retell

RUN = "f304d50c-c7ac-41f2-b2e4-33012f0509a3"
DAGSTER = f"""\
Some program says a word.
\x1b[32m2026-11-25 04:08:33 +0000\x1b[0m - dagster - \x1b[34mERROR\x1b[0m - nightly - {RUN} - 87 - RUN_FAILURE - failed.

dagster._core.errors.DagsterExecutionStepExecutionError: Error
  File "a.py", line 1, in x
{{"event": "Launched 1 runs.", "logger": "dagster.daemon", "level": "info", "timestamp": "2026-11-25T04:08:30.940289Z"}}
{{"no": "event"}}
2026-11-25 04:08:34 +0100 - dagster.code_server - INFO - Started
"""


@pytest.fixture(autouse=True)
def _no_run() -> None:
    RUN_ID.set(None)


def retold(text: bytes) -> list[dict[str, Any]]:
    read, write = os.pipe()
    os.write(write, text)
    os.close(write)
    target = io.StringIO()
    retell(read, target)
    os.close(read)
    return [json.loads(line) for line in target.getvalue().splitlines()]


def test_what_dagster_says_becomes_one_object_a_record() -> None:
    word, failure, launched, other, started = retold(DAGSTER.encode())

    assert (word["level"], word["message"]) == ("info", "Some program says a word.")
    assert failure["time"] == "2026-11-25T04:08:33.000000Z"
    assert (failure["level"], failure["logger"], failure["run_id"]) == ("error", "dagster", RUN)
    assert failure["message"].startswith(f"nightly - {RUN} - 87 - RUN_FAILURE - failed.\n")
    # A traceback stays with what it belongs to.
    assert failure["message"].endswith('File "a.py", line 1, in x')
    assert launched == {
        "time": "2026-11-25T04:08:30.940289Z",
        "level": "info",
        "message": "Launched 1 runs.",
        "logger": "dagster.daemon",
    }
    assert other["message"] == '{"no": "event"}'
    assert started["time"] == "2026-11-25T03:08:34.000000Z"
    assert "run_id" not in started


def test_no_byte_breaks_the_lines_and_the_last_one_needs_no_end() -> None:
    first, last = retold(b'\xff\xfe {"a"\n2026-11-25 04:08:34,123 WARNING caf\xc3\xa9 \x00')

    assert first["message"].endswith('{"a"')
    assert (last["level"], last["message"]) == ("warning", "café \x00")
    assert retold(b"") == retold(b"\n\n") == []


def test_python_logging_and_errors_are_understood() -> None:
    assert record("WARNING:root:Retrying")["level"] == "warning"
    assert record("Error: The home\nMake it")["level"] == "error"
    assert record("Error: The home\nMake it")["message"] == "The home\nMake it"
    assert record("2026-99-99 04:08:34 INFO x")["said_at"] == "2026-99-99 04:08:34"
    RUN_ID.set(RUN)
    assert record("Building…")["run_id"] == RUN


def test_what_a_process_writes_in_one_go_is_one_record() -> None:
    target = io.StringIO()
    stream = JsonLines(target)
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger = logging.Logger("portal")
    logger.addHandler(handler)

    logger.error("two\nlines")
    print("a part, ", end="", file=stream)
    print("and its end", file=stream)

    two, whole = (json.loads(line) for line in target.getvalue().splitlines())
    assert (two["level"], two["message"]) == ("error", "two\nlines")
    assert whole["message"] == "a part, and its end"


@pytest.mark.parametrize("by", ["file", "variable"])
def test_a_command_says_its_errors_as_json(
    home: Home, by: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if by == "file":
        home.settings_file.write_text('[logs]\nformat = "json"\n', encoding="utf-8")
        arguments = ["export", "--dry-run"]
    else:
        # Settings that cannot be read are no reason for a line that a machine cannot.
        monkeypatch.setenv("OPCO_LOGS__FORMAT", "json")
        home.settings_file.write_text("[logs\n", encoding="utf-8")
        arguments = ["settings"]
    before = sys.stderr

    assert run([*arguments, "--home", str(home.folder)]) == 2

    said = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [one["level"] for one in said] == ["error"]
    assert sys.stderr is before
