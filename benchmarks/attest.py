"""Measures the attestations: one document against its floor, many of them in one and two processes, their memory,
and the command that makes a session's.

`make bench-attest DOCUMENTS=200`. The floor of a document is its own words as one preformatted block in the same run:
bare WeasyPrint, one font, no tags, no PDF/A, no attachment. Each document is of another learner, as in an issue.
"""

from __future__ import annotations

import argparse
import ctypes
import multiprocessing
import os
import resource
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from datetime import date
from functools import partial
from html import escape
from multiprocessing import forkserver, resource_tracker
from pathlib import Path
from subprocess import run

import duckdb
import pypdfium2

from benchmarks.generate import EVENTS_A_LEARNER, LEARNERS_A_SESSION, generate
from reports.attestation.inputs import AttestationInputs
from reports.attestation.model import LearnerRecord, RenderedDocument
from reports.attestation.queries import read_build, read_code_texts, read_learner_records, read_session
from reports.attestation.rendering import Renderer
from reports.issuing.workers import calm_collector
from reports.printing.images import read_images
from tests.issuing import issue_from
from warehouse.project import PROJECT_DIR
from warehouse.published import open_published

ASSETS = PROJECT_DIR / "demo" / "assets"
INPUTS = AttestationInputs(
    name="Atelier des Trois Rives",
    legal_representative="Hélène Vasseur",
    capacity="Directrice",
    place="Rennes",
    training_duration="10 h 30 à distance",
    footer="Atelier des Trois Rives (société fictive), 12, quai de l’Exemple, 35000 Rennes. SIRET 900 000 007 00019.",
    logo="logo.svg",
    stamp="stamp.png",
)
TURNS = {"S-30": 15, "S-300": 7, "S-3000": 3}
DAY = date(2027, 1, 15)
NUMBER = "S-30/U-0/1"
PR_SET_CHILD_SUBREAPER = 36
COLD_SESSION = "s0"
FLOOR_STYLE = """
@font-face { font-family: M; src: url(opco:font/mono) }
pre { font: 7.2pt/1.5 M; white-space: pre-wrap }
"""


def warehouse(folder: Path, documents: int) -> Path:
    """Make the published file of the benchmark."""
    path = folder / "opco.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute(f"set variable documents = {documents:d}")
        connection.execute(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"))
        for seed in ("end_kinds", "evidence_levels", "connection_flags"):
            connection.execute(f"create table {seed} as from read_csv('{PROJECT_DIR}/seeds/{seed}.csv', header = true)")
    return path


def prepared(path: Path, session_id: str) -> tuple[Renderer, list[LearnerRecord]]:
    """Return a session's renderer and the records of its learners, of at most `TURNS` and one more."""
    images = read_images(ASSETS, INPUTS.images)
    with closing(open_published(path)) as connection:
        build = read_build(connection)
        session = read_session(connection, session_id, build)
        texts = read_code_texts(connection, "fr")
        query = "select user_id from fct_learner_sessions where session_id = ? and has_played order by user_id"
        users = [user for (user,) in connection.execute(query, [session_id]).fetchall()]
        if session_id in TURNS:
            users = users[: TURNS[session_id] + 1]
        records = read_learner_records(connection, session_id, users, build)
    return Renderer(INPUTS, images, session, build, texts, DAY), records


def floor_of(renderer: Renderer, made: RenderedDocument) -> Callable[[], object]:
    """Return what renders the same words bare."""
    from weasyprint import CSS, HTML  # type: ignore[import-untyped]
    from weasyprint.text.fonts import FontConfiguration  # type: ignore[import-untyped]

    text = "\n".join(
        page.get_textpage().get_text_range().replace("\r\n", "\n") for page in pypdfium2.PdfDocument(made.content)
    )
    # Not the documents' own configuration, which keeps what the bare WeasyPrint works out again.
    fonts = FontConfiguration()
    sheet = CSS(string=FLOOR_STYLE, font_config=fonts, url_fetcher=renderer.engine.fetcher)
    page = f"<pre>{escape(text)}</pre>"
    return lambda: HTML(string=page).write_pdf(font_config=fonts, stylesheets=[sheet])


def cpu_seconds(work: Callable[[], object]) -> float:
    """Return the processor time of one call."""
    start = time.process_time()
    work()
    return time.process_time() - start


def measure_one(path: Path) -> None:
    """Print a document's time against rows, each turn beside a turn of its floor."""
    # As in the processes that make documents.
    calm_collector()
    sys.stdout.write("connections  pages      kB  document     floor  ratio (median of turns; best)\n")
    for session_id in TURNS:
        renderer, records = prepared(path, session_id)
        made = renderer.render(records[0], NUMBER)
        pairs = []
        # Each turn is another learner's document: what is kept from one to the next is what they have in common.
        for record in records[1:]:
            start = time.process_time()
            made = renderer.render(record, NUMBER)
            seconds = time.process_time() - start
            floor = floor_of(renderer, made)
            floor()
            pairs.append((seconds, cpu_seconds(floor)))
        ours, bare = (min(pair[side] for pair in pairs) for side in (0, 1))
        median = statistics.median(one / other for one, other in pairs)
        sys.stdout.write(
            f"{len(records[0].log):>11,} {made.pages:>6} {len(made.content) / 1000:>7.0f} "
            f"{ours * 1000:>6.0f} ms {bare * 1000:>6.0f} ms {median:>6.2f} {ours / bare:>5.2f}\n"
        )


def processor_seconds_of_children() -> float:
    """Return the processor time of all children, and theirs, once they have ended."""
    # The processes that the workers are forked from and watched by stay otherwise.
    forkserver._forkserver._stop()  # type: ignore[attr-defined]
    resource_tracker._resource_tracker._stop()  # type: ignore[attr-defined]
    with suppress(ChildProcessError):
        while True:
            os.wait()
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


class Memory:
    """Watches the memory of this process's children while a block runs; `peak` is in MiB, of the largest one."""

    def __init__(self) -> None:
        self.peak = 0.0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Memory:
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._stopped.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stopped.wait(0.25):
            for child in multiprocessing.active_children():
                try:
                    status = Path(f"/proc/{child.pid}/status").read_text(encoding="ascii")
                except OSError:
                    continue
                fields = dict(line.split(":", 1) for line in status.splitlines())
                self.peak = max(self.peak, int(fields.get("VmHWM", "0 kB").split()[0]) / 1024)


def measure_many(path: Path, folder: Path, documents: int) -> None:
    """Print documents a second with one and two processes, and the peak memory."""
    rates: dict[int, tuple[float, float]] = {}
    for workers in (1, 2):
        with Memory() as memory:
            start, before = time.perf_counter(), processor_seconds_of_children()
            issue_from(
                path,
                "S-MANY",
                INPUTS,
                folder=folder / f"by-{workers}",
                assets=ASSETS,
                issued_on=DAY,
                workers=workers,
            )
            seconds = time.perf_counter() - start
            rates[workers] = documents / seconds, documents / (processor_seconds_of_children() - before)
        own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        wall, processor = rates[workers]
        sys.stdout.write(
            f"{documents:,} documents of 30 connections, {workers} process{'es' * (workers > 1)}: {wall:.1f} a second, "
            f"{processor:.1f} a second of processor time; "
            f"peak memory {memory.peak:.0f} MiB a process, {own:.0f} MiB their parent\n"
        )
    by_wall, by_processor = (rates[2][side] / rates[1][side] for side in (0, 1))
    sys.stdout.write(
        f"two processes make {by_wall:.2f} times the documents of one, "
        f"and would {2 * by_processor:.2f} times with both cores to themselves\n"
    )


def measure_cold(home: Path) -> None:
    """Print what `opco attest` of a session of 20 learners takes, against its documents alone."""
    opco = str(Path(sys.executable).with_name("opco"))
    home.mkdir()
    generate(home / "raw", LEARNERS_A_SESSION * EVENTS_A_LEARNER)
    at_home = ("--home", str(home))
    run([opco, "build", "--raw", str(home / "raw"), *at_home], check=True, capture_output=True)
    shutil.copytree(ASSETS, home / "assets")
    named = {
        "--organisation-name": INPUTS.name,
        "--legal-representative": INPUTS.legal_representative,
        "--logo": INPUTS.logo,
        "--stamp": INPUTS.stamp,
    }
    options = [text for pair in named.items() for text in pair if text]
    start, before = time.perf_counter(), processor_seconds_of_children()
    run([opco, "attest", COLD_SESSION, *options, *at_home], check=True, capture_output=True)
    wall, processor = time.perf_counter() - start, processor_seconds_of_children() - before
    renderer, records = prepared((home / "var" / "published" / "opco.duckdb").resolve(), COLD_SESSION)
    renderer.render(records[0], NUMBER)
    own = sum(cpu_seconds(partial(renderer.render, record, NUMBER)) for record in records)
    sys.stdout.write(
        f"opco attest of {len(records)} learners, {sum(len(one.log) for one in records) // len(records)} connections "
        f"each: {wall:.1f} s, {processor:.1f} s of processor time; their documents alone {own:.1f} s: "
        f"{wall / own:.1f} times, {processor / own:.1f} of processor time\n"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=200, help="How many documents at once. Default: 200.")
    documents = parser.parse_args().documents
    # What a command leaves to end by itself becomes a child of this process, so that its time is counted.
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
    with tempfile.TemporaryDirectory() as name:
        path = warehouse(Path(name), documents)
        measure_many(path, Path(name), documents)
        measure_one(path)
        measure_cold(Path(name) / "home")


if __name__ == "__main__":
    main()
