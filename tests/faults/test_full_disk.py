"""A disk that runs full: a clear message, and what was published stays."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest

from benchmarks.faults import leftovers, make_build_file, marts_of
from benchmarks.generate import generate
from tests.commands import CAMPUS

# A disk of its own needs root, or a name space in which one may mount.
IS_ROOT = os.geteuid() == 0
NAMESPACE = ["unshare", "--user", "--map-root-user", "--mount"]


def _can_mount() -> bool:
    prefix = [] if IS_ROOT else NAMESPACE
    tried = subprocess.run(
        [*prefix, "sh", "-c", "d=$(mktemp -d) && mount -t tmpfs -o size=1m tmpfs $d && umount $d"], check=False
    )
    return tried.returncode == 0


pytestmark = pytest.mark.skipif(
    not (IS_ROOT and _can_mount()), reason="to make a small disk takes the right to mount a tmpfs"
)


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _opco(*arguments: str | Path, home: Path) -> subprocess.CompletedProcess[str]:
    opco = Path(sys.executable).with_name("opco")
    return subprocess.run(
        [str(opco), *map(str, arguments), "--home", str(home)], capture_output=True, text=True, check=False, timeout=600
    )


def _free(folder: Path) -> int:
    return shutil.disk_usage(folder).free


def _fill(folder: Path, leave: int) -> Path:
    """Write a file that leaves so many bytes free."""
    ballast = folder / "ballast"
    with ballast.open("wb") as stream:
        os.posix_fallocate(stream.fileno(), 0, _free(folder) - leave)
    return ballast


def test_the_disk_runs_full_at_every_stage_of_a_build(campus_home: Path, tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    generate(raw, 700_000)
    with small_disk(tmp_path / "disk", 400) as home:
        shutil.copytree(campus_home / "var", home / "var", symlinks=True)
        published = home / "var/published/opco.duckdb"
        before = marts_of(published)
        # No room to begin.
        ballast = _fill(home, 20_000_000)
        finished = _opco("build", "--raw", CAMPUS / "2026-11-20", home=home)
        assert (finished.returncode, marts_of(published)) == (1, before)
        assert f"The disk of {home} is full" in finished.stderr
        ballast.unlink()
        # It runs out while dbt builds.
        ballast = _fill(home, 34_000_000)
        finished = _opco("build", "--raw", raw, home=home)
        assert (finished.returncode, marts_of(published)) == (1, before)
        assert "disk ran full" in finished.stderr, finished.stderr
        assert "what was published before stays" in finished.stderr
        assert "Make room" in finished.stderr
        ballast.unlink()
        # There is room again: the next build needs no help.
        finished = _opco("build", "--raw", CAMPUS / "2026-11-20", "--as-of", "2026-11-20T22:00:00Z", home=home)
        assert finished.returncode == 0, finished.stderr
        assert not leftovers(home)


def test_the_disk_runs_full_while_publishing(tmp_path: Path) -> None:
    from warehouse import publish as publishing
    from warehouse.errors import OpcoError

    rows = 4_000_000
    file = tmp_path / "build.duckdb"
    make_build_file(file, "small", 10)
    with small_disk(tmp_path / "disk", 20) as disk:
        publishing.publish(file, disk, "small", 3)
        make_build_file(file, "small-too-large", rows)
        with pytest.raises(OpcoError, match=r"MB are free on this disk, and the published file takes about"):
            publishing.publish(file, disk, "small-too-large", 3)
        # Another program takes the room meanwhile.
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(publishing, "_check_room", lambda *_: None)
            with pytest.raises(OpcoError, match="could not be published"):
                publishing.publish(file, disk, "small-too-large", 3)
        assert (disk / "opco.duckdb").resolve().stem == "small"
        with duckdb.connect(str(disk / "opco.duckdb"), read_only=True) as connection:
            assert connection.execute("select count(*) from facts").fetchall() == [(10,)]
        assert sorted(path.name for path in (disk / "builds").iterdir()) == ["small.duckdb", "small.json"]


def test_the_disk_runs_full_while_exporting(campus_home: Path, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 1) as disk:
        _fill(disk, 50_000)
        finished = _opco("export", "--output", disk / "export.csv", home=campus_home)
        assert finished.returncode == 1
        assert "No space left on device" in finished.stderr
        assert str(disk) in finished.stderr or "export.csv" in finished.stderr
        assert "Make room" in finished.stderr
        assert [path.name for path in disk.iterdir()] == ["ballast"]


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["forget", "43", "--reason", "letter", "--override"], "what is published still does"),
        (["clean"], "1 thing could not be cleaned; the rest was"),
    ],
)
def test_work_that_a_full_disk_stopped_half_way_says_what_is_done(
    campus_home: Path, tmp_path: Path, command: list[str], message: str
) -> None:
    with small_disk(tmp_path / "disk", 200) as home:
        shutil.copytree(campus_home / "var", home / "var", symlinks=True)
        before = marts_of(home / "var/published/opco.duckdb")
        written = home / "var/exports/old.csv"
        written.parent.mkdir(exist_ok=True)
        for path in (written, written.with_name("old.csv.json")):
            path.write_text("{}", encoding="utf-8")
            os.utime(path, times=(0, 0))
        # Room for the archive, as forgetting writes it, and for no build.
        ballast = _fill(home, 3_000_000 if command[0] == "forget" else 0)
        finished = _opco(*command, home=home)
        assert finished.returncode == 1
        assert message in finished.stderr, finished.stderr
        assert marts_of(home / "var/published/opco.duckdb") == before
        assert written.exists() is (command[0] == "forget")
        ballast.unlink()
        again = _opco(*command, home=home)
        assert again.returncode == 0, again.stderr
