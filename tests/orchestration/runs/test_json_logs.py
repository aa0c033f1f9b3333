"""What commands and services say, as lines of JSON."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from opco.cli import run
from orchestration.home.paths import Home
from orchestration.runs.json_logs import RUN_ID, JsonFormatter, JsonLines, json_line
from warehouse.project import PROJECT_DIR

RUN = "f304d50c-c7ac-41f2-b2e4-33012f0509a3"
SPEAKS = f"""\
import logging, sys, threading, warnings
before = logging.getLogger("dagster")
before.addHandler(logging.StreamHandler(sys.stdout))
from orchestration.runs.json_logs import log_as_json
log_as_json()
before.error("nightly - failed", extra={{"dagster_meta": {{"run_id": "{RUN}"}}}})
import coloredlogs
later = logging.getLoggerClass()("dagster", level="DEBUG")
coloredlogs.install(logger=later, level="DEBUG", fmt="%(levelname)s %(message)s")
try:
    raise KeyError("a\\nb")
except KeyError:
    later.exception("Two\\nlines")
logging.getLogger("uvicorn.error").warning("Nobody set me up")
warnings.warn("Old")
thread = threading.Thread(target=lambda: 1 / 0)
thread.start()
thread.join()
{{}}["gone"]
"""


@pytest.fixture(autouse=True)
def _restored(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    RUN_ID.set(None)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    logger_class = logging.getLoggerClass()
    yield
    logging.setLoggerClass(logger_class)
    logging.captureWarnings(False)
    if logging.lastResort:
        logging.lastResort.setFormatter(None)
        logging.getLogger("py.warnings").removeHandler(logging.lastResort)


def written(*texts: str) -> list[dict[str, Any]]:
    target = io.StringIO()
    stream = JsonLines(target)
    for text in texts:
        stream.write(text)
    return [json.loads(line) for line in target.getvalue().splitlines()]


def test_whatever_a_process_logs_is_one_object_a_record() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SPEAKS], cwd=PROJECT_DIR, capture_output=True, text=True, timeout=60, check=False
    )

    (failure,) = map(json.loads, done.stdout.splitlines())
    assert (failure["level"], failure["logger"], failure["run_id"]) == ("error", "dagster", RUN)
    assert failure["message"] == "nightly - failed"
    raised, uvicorn, old, thread, end = map(json.loads, done.stderr.splitlines())
    assert (raised["level"], raised["logger"]) == ("error", "dagster")
    # A traceback stays with what it belongs to.
    assert raised["message"].startswith("Two\nlines\nTraceback")
    assert raised["message"].endswith(r"KeyError: 'a\nb'")
    assert (uvicorn["level"], uvicorn["message"]) == ("warning", "Nobody set me up")
    assert old["level"] == "warning"
    assert "UserWarning: Old" in old["message"]
    assert (thread["level"], end["level"]) == ("error", "critical")
    assert thread["message"].endswith("ZeroDivisionError: division by zero")
    assert end["message"].endswith("KeyError: 'gone'")
    assert done.returncode == 1


def test_no_text_breaks_the_lines_and_a_line_that_is_one_already_stays() -> None:
    ours = json_line("Launched\n", level="debug", seconds=0.5, logger_name="dagster.daemon", run_id=RUN)

    coloured, other, broken, kept = written(
        "\x1b[32ma \ufffd word\x1b[0m\n", "\n", '{"no": "event"}\n', '{"time": {"a"\n', f"{ours}\n"
    )

    assert (coloured["level"], coloured["message"]) == ("info", "a \ufffd word")
    assert (other["message"], broken["message"]) == ('{"no": "event"}', '{"time": {"a"')
    assert kept == json.loads(ours)
    assert kept["time"] == "1970-01-01T00:00:00.500000Z"
    assert kept["message"] == "Launched\n"


def test_what_a_command_writes_in_one_go_is_one_record_with_its_level_and_run() -> None:
    error, warning, whole = written("Error: The home\nMake it\n", "warning: open\n", "a part, ", "and its end\n")

    assert (error["level"], error["message"]) == ("error", "The home\nMake it")
    assert (warning["level"], warning["message"]) == ("warning", "open")
    assert (whole["level"], whole["message"]) == ("info", "a part, and its end")
    assert "run_id" not in whole
    RUN_ID.set(RUN)
    assert written("Building…\n")[0]["run_id"] == RUN


def test_a_formatted_record_passes_the_stream_as_it_is() -> None:
    target = io.StringIO()
    handler = logging.StreamHandler(JsonLines(target))
    handler.setFormatter(JsonFormatter())
    logger = logging.Logger("portal")
    logger.addHandler(handler)

    logger.error("two\nlines of %s", "é")

    (two,) = map(json.loads, target.getvalue().splitlines())
    assert (two["level"], two["message"], two["logger"]) == ("error", "two\nlines of é", "portal")


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

    answer = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [one["level"] for one in answer] == ["error"]
    assert sys.stderr is before
