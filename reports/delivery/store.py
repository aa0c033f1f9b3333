"""The copies that links lead to: one folder a delivery, deleted once its link has expired."""

from __future__ import annotations

import json
import re
import secrets
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path

from reports.delivery.links import BadLinkError, Link
from warehouse.files import sha256_of, written_atomically

RECORD = "delivery.json"
ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Delivery:
    """One file that was sent: the name that its recipients see, and what it must still be when they fetch it.

    `recipients` are the addresses that its link was sent to: nobody knows which of them uses it.
    """

    delivery_id: str
    file_name: str
    bytes: int
    sha256: str
    expires_at: datetime
    recipients: tuple[str, ...] = ()

    @property
    def link(self) -> Link:
        """The link that leads here."""
        return Link(self.delivery_id, self.sha256, self.expires_at)


@dataclass(frozen=True)
class DeliveryStore:
    """Deliveries under `folder`."""

    folder: Path

    def keep(self, file: Path, sha256: str, expires_at: datetime, recipients: Sequence[str] = ()) -> Delivery:
        """Copy `file`, whose checksum is `sha256`, into a new delivery to `recipients`. Its record is written last."""
        size, to = file.stat().st_size, tuple(recipients)
        delivery = Delivery(secrets.token_hex(16), file.name, size, sha256, expires_at, to)
        folder = self.folder / delivery.delivery_id
        try:
            with written_atomically(self._content(delivery)) as temporary:
                shutil.copyfile(file, temporary)
            with written_atomically(folder / RECORD) as temporary:
                record = {**asdict(delivery), "expires_at": expires_at.isoformat()}
                temporary.write_text(json.dumps(record, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return delivery

    def find(self, link: Link) -> tuple[Delivery, Path]:
        """Return what `link` leads to and its content.

        Raises BadLinkError when there is no such delivery, or its content is not what was sent.
        """
        delivery = self._read(link.delivery_id)
        if delivery is None:
            raise BadLinkError(f"unknown, delivery {link.delivery_id}")
        content = self._content(delivery)
        if not content.is_file() or _checksum(content, *_state(content)) != link.sha256:
            raise BadLinkError(f"changed on the disk since it was sent, delivery {delivery.delivery_id}")
        return delivery, content

    def forget_expired(self, now: datetime) -> int:
        """Delete the deliveries whose link has expired at `now`, and return how many there were.

        So goes what an interrupted copy left behind, a day later.
        """
        expired = self.expired(now)
        for folder in expired:
            shutil.rmtree(folder)
        return len(expired)

    def expired(self, now: datetime) -> list[Path]:
        """Return the folders that `forget_expired` deletes."""
        found = []
        for folder in sorted(self.folder.glob("*")) if self.folder.is_dir() else ():
            if not ID.fullmatch(folder.name):
                continue
            delivery = self._read(folder.name)
            age = now - datetime.fromtimestamp(folder.stat().st_mtime, UTC)
            if now >= delivery.expires_at if delivery else age > timedelta(days=1):
                found.append(folder)
        return found

    def _read(self, delivery_id: str) -> Delivery | None:
        # What is no id never becomes a path.
        if not isinstance(delivery_id, str) or not ID.fullmatch(delivery_id):
            return None
        try:
            record = json.loads((self.folder / delivery_id / RECORD).read_text(encoding="utf-8"))
            recipients = tuple(record.get("recipients", ()))
            expires_at = datetime.fromisoformat(record["expires_at"])
            return Delivery(**{**record, "expires_at": expires_at, "recipients": recipients})
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def _content(self, delivery: Delivery) -> Path:
        return self.folder / delivery.delivery_id / "content"


def _state(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_mtime_ns, found.st_size


@lru_cache(maxsize=256)
def _checksum(path: Path, changed_ns: int, size: int) -> str:
    """Return a file's checksum, computed again only when the file was changed: a download may ask a hundred times."""
    del changed_ns, size
    return sha256_of(path)
