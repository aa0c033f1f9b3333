"""A PostgreSQL server of Debian's, run by an ordinary user on a socket of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import trustme

from tests.mail import free_port

ORDINARY = 65534
"""The user `nobody`, as whom things run where the tests run as root."""


def is_open(path: Path) -> bool:
    """Tell whether the ordinary user may read `path` by its own right: some programs ask before they try."""
    ask = ["setpriv", f"--reuid={ORDINARY}", f"--regid={ORDINARY}", "--clear-groups", "test", "-r", str(path)]
    return os.getuid() != 0 or subprocess.run(ask, check=False).returncode == 0


def as_ordinary_user(*command: str | Path) -> list[str]:
    """Return `command` as a user runs it who may write nowhere but in folders of its own.

    Root's files stay readable to it: the interpreter may lie among them.
    """
    said = [str(part) for part in command]
    if os.getuid() != 0:
        return said
    capabilities = "-all,+dac_read_search"
    return [
        "setpriv",
        f"--reuid={ORDINARY}",
        f"--regid={ORDINARY}",
        "--clear-groups",
        f"--inh-caps={capabilities}",
        f"--ambient-caps={capabilities}",
        f"--bounding-set={capabilities}",
        *said,
    ]


@contextmanager
def own_folder() -> Iterator[Path]:
    """Make a folder of the ordinary user, with a short path: that of a socket may have 107 characters."""
    path = Path(tempfile.mkdtemp(prefix="opco-", dir="/tmp"))
    if os.getuid() == 0:
        os.chown(path, ORDINARY, ORDINARY)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@dataclass(frozen=True)
class Database:
    """A database as the settings name it."""

    url: str
    password: str

    def ask(self, query: str) -> str:
        """Return psql's answer to `query`."""
        done = subprocess.run(
            [_program("psql"), "-X", "-A", "-t", "-c", query, self.url],
            env={**os.environ, "PGPASSWORD": self.password},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()


def write_certificate(folder: Path, authority: trustme.CA) -> tuple[Path, Path]:
    """Write a certificate of `localhost` and its key where a server of the ordinary user reads them."""
    issued = authority.issue_cert("localhost")
    certificate, key = folder / "server.crt", folder / "server.key"
    certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    key.write_bytes(issued.private_key_pem.bytes())
    key.chmod(0o600)
    if os.getuid() == 0:
        for path in (certificate, key):
            os.chown(path, ORDINARY, ORDINARY)
    return certificate, key


@contextmanager
def postgres(authority: trustme.CA | None = None) -> Iterator[Database]:
    """Run a server with the database `dagster` of the user `opco`, let in by password.

    With an authority it is also there by TCP, on the port that its URL names, by TLS alone.
    """
    password = "p@ss/word:of opco"
    with own_folder() as folder:
        secret, data, log = folder / "password", folder / "data", folder / "log"
        secret.write_text(password)
        secret.chmod(0o644)
        initdb: list[str | Path] = [
            _program("initdb"),
            "-D",
            data,
            "-U",
            "opco",
            "-A",
            "scram-sha-256",
            f"--pwfile={secret}",
            "--no-sync",
        ]
        subprocess.run(as_ordinary_user(*initdb), check=True, capture_output=True)
        command: list[str | Path] = [
            _program("postgres"),
            "-D",
            data,
            "-k",
            folder,
            "-c",
            "listen_addresses=",
            "-c",
            "fsync=off",
        ]
        environment = {**os.environ, "PGPASSWORD": password, "PGHOST": str(folder), "PGUSER": "opco"}
        place = f"host={folder}"
        if authority is not None:
            certificate, key = write_certificate(folder, authority)
            port = free_port()
            (data / "pg_hba.conf").write_text(
                "local all all scram-sha-256\nhostssl all all 127.0.0.1/32 scram-sha-256\n", encoding="ascii"
            )
            command += ["-c", "listen_addresses=127.0.0.1", "-p", str(port), "-c", "ssl=on"]
            command += ["-c", f"ssl_cert_file={certificate}", "-c", f"ssl_key_file={key}"]
            environment["PGPORT"] = str(port)
            place += f"&port={port}"
        with (
            log.open("w") as stream,
            subprocess.Popen(as_ordinary_user(*command), stdout=stream, stderr=stream) as server,
        ):
            try:
                for _ in range(300):
                    made = subprocess.run(
                        [_program("createdb"), "dagster"], env=environment, capture_output=True, check=False
                    )
                    if made.returncode == 0:
                        break
                    assert server.poll() is None, log.read_text()
                    time.sleep(0.1)
                yield Database(f"postgresql://opco@/dagster?{place}", password)
            finally:
                server.terminate()
                server.wait(30)


def _program(name: str) -> str:
    found = shutil.which(name) or next(
        (str(path) for path in sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)), None
    )
    assert found, f"PostgreSQL's {name} is missing: make acceptance installs it"
    return found
