"""A MariaDB server of Debian's, run by an ordinary user on a socket and a port of its own."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pymysql
import pymysql.cursors
import trustme

from tests.acceptance.postgres import as_ordinary_user, own_folder, write_certificate
from tests.mail import free_port


@dataclass(frozen=True)
class MariaDB:
    """A running server, whose `root` needs no password on the socket."""

    folder: Path
    port: int
    process: subprocess.Popen[str]

    @property
    def socket(self) -> Path:
        return self.folder / "socket"

    def connect(self, database: str | None = None) -> pymysql.Connection[pymysql.cursors.Cursor]:
        """Connect as root."""
        return pymysql.connect(
            unix_socket=str(self.socket), user="root", database=database, charset="utf8mb4", autocommit=True
        )


@contextmanager
def mariadb(authority: trustme.CA | None = None) -> Iterator[MariaDB]:
    """Run a server with empty tables of its own; with an authority, one that has a certificate of `localhost`."""
    with own_folder() as folder:
        data = folder / "data"
        made = subprocess.run(
            as_ordinary_user(
                _program("mariadb-install-db"),
                "--no-defaults",
                "--auth-root-authentication-method=normal",
                f"--datadir={data}",
                "--skip-test-db",
            ),
            capture_output=True,
            text=True,
            check=False,
        )
        assert made.returncode == 0, made.stderr + made.stdout
        port = free_port()
        tls: list[str] = []
        if authority is not None:
            certificate, key = write_certificate(folder, authority)
            tls = [f"--ssl-cert={certificate}", f"--ssl-key={key}"]
        log = folder / "log"
        with (
            log.open("w") as stream,
            subprocess.Popen(
                as_ordinary_user(
                    _program("mariadbd"),
                    "--no-defaults",
                    f"--datadir={data}",
                    f"--socket={folder / 'socket'}",
                    f"--port={port}",
                    "--bind-address=127.0.0.1",
                    f"--pid-file={folder / 'pid'}",
                    "--innodb-flush-log-at-trx-commit=0",
                    *tls,
                ),
                stdout=stream,
                stderr=stream,
                text=True,
            ) as process,
        ):
            server = MariaDB(folder, port, process)
            try:
                for _ in range(300):
                    with suppress(pymysql.err.OperationalError):
                        server.connect().close()
                        break
                    assert process.poll() is None, log.read_text()
                    time.sleep(0.1)
                yield server
            finally:
                process.terminate()
                process.wait(30)


def _program(name: str) -> str:
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/bin")
    assert found, f"MariaDB's {name} is missing: make acceptance installs it"
    return found
