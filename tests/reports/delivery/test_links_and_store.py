"""Links that are good for one file and for a while, and the copies that they lead to."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from reports.delivery.links import BadLinkError, Link, Signer
from reports.delivery.store import Delivery, DeliveryStore

NOW = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)
SECRET = "s" * 32


@pytest.fixture
def store(tmp_path: Path) -> DeliveryStore:
    return DeliveryStore(tmp_path / "deliveries")


@pytest.fixture
def delivery(store: DeliveryStore, tmp_path: Path) -> Delivery:
    file = tmp_path / "novembre n° 1.csv"
    file.write_bytes(b"contenu")
    return store.keep(file, hashlib.sha256(b"contenu").hexdigest(), NOW + timedelta(days=7))


def test_a_link_says_what_was_signed_until_it_expires(delivery: Delivery) -> None:
    token = Signer(SECRET).token(delivery.link)

    assert Signer(SECRET).read(token, NOW) == delivery.link
    assert Signer(SECRET).read(token, delivery.expires_at - timedelta(seconds=1)) == delivery.link
    with pytest.raises(BadLinkError, match=f"expired at 2026-12-02T09:00:00Z, delivery {delivery.delivery_id}"):
        Signer(SECRET).read(token, delivery.expires_at)


def test_another_secret_kills_all_links(delivery: Delivery) -> None:
    token = Signer(SECRET).token(delivery.link)

    with pytest.raises(BadLinkError, match="forged"):
        Signer("t" * 32).read(token, NOW)


def test_a_link_of_which_a_character_was_changed_is_forged(delivery: Delivery) -> None:
    token = Signer(SECRET).token(delivery.link)

    for place in range(len(token)):
        other = "A" if token[place] != "A" else "B"
        changed = f"{token[:place]}{other}{token[place + 1 :]}"
        try:
            read = Signer(SECRET).read(changed, NOW)
        except BadLinkError:
            continue
        # The last character of base64 has bits that carry nothing.
        assert read == delivery.link
        assert place in (len(token) - 1, token.rindex(".") - 1)


@pytest.mark.parametrize("token", ["", ".", "a.b", "é", "../../etc/passwd", "%00", "x" * 10_000])
def test_what_is_no_link_is_forged(token: str) -> None:
    with pytest.raises(BadLinkError, match="forged"):
        Signer(SECRET).read(token, NOW)


def test_no_secret_shows_where_objects_are_printed() -> None:
    assert SECRET not in repr(Signer(SECRET))


def test_a_delivery_is_a_copy_of_its_own(store: DeliveryStore, delivery: Delivery, tmp_path: Path) -> None:
    (tmp_path / "novembre n° 1.csv").write_bytes(b"autre chose")

    found, content = store.find(delivery.link)

    assert (found, content.read_bytes()) == (delivery, b"contenu")
    assert found.file_name == "novembre n° 1.csv"


def test_a_copy_that_was_changed_is_not_handed_out(store: DeliveryStore, delivery: Delivery) -> None:
    _, content = store.find(delivery.link)
    content.write_bytes(b"CONTENU")

    with pytest.raises(BadLinkError, match="changed on the disk"):
        store.find(delivery.link)


def test_a_link_is_good_for_its_own_file_alone(store: DeliveryStore, delivery: Delivery, tmp_path: Path) -> None:
    (tmp_path / "autre.csv").write_bytes(b"autre")
    other = store.keep(tmp_path / "autre.csv", hashlib.sha256(b"autre").hexdigest(), delivery.expires_at)

    with pytest.raises(BadLinkError, match="changed on the disk"):
        store.find(Link(other.delivery_id, delivery.sha256, delivery.expires_at))


@pytest.mark.parametrize("delivery_id", ["0" * 32, "../deliveries", "", "/etc", "0" * 31 + "/"])
def test_an_unknown_delivery(store: DeliveryStore, delivery: Delivery, delivery_id: str) -> None:
    with pytest.raises(BadLinkError, match="unknown"):
        store.find(Link(delivery_id, delivery.sha256, delivery.expires_at))


def test_expired_deliveries_are_deleted(store: DeliveryStore, delivery: Delivery, tmp_path: Path) -> None:
    assert store.forget_expired(delivery.expires_at - timedelta(seconds=1)) == 0
    assert store.forget_expired(delivery.expires_at) == 1
    assert list(store.folder.iterdir()) == []
    with pytest.raises(BadLinkError, match="unknown"):
        store.find(delivery.link)
    # The file itself is not the store's.
    assert (tmp_path / "novembre n° 1.csv").exists()


def test_what_an_interrupted_copy_left_goes_a_day_later(store: DeliveryStore, delivery: Delivery) -> None:
    (store.folder / delivery.delivery_id / "delivery.json").unlink()
    (store.folder / "notes").mkdir()

    with pytest.raises(BadLinkError, match="unknown"):
        store.find(delivery.link)
    made = datetime.fromtimestamp((store.folder / delivery.delivery_id).stat().st_mtime, UTC)
    assert store.forget_expired(made + timedelta(hours=23)) == 0
    assert store.forget_expired(made + timedelta(hours=25)) == 1
    assert [path.name for path in store.folder.iterdir()] == ["notes"]


def test_a_failed_copy_leaves_nothing(store: DeliveryStore, tmp_path: Path) -> None:
    (tmp_path / "there.csv").write_bytes(b"x")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("reports.delivery.store.shutil.copyfile", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
        with pytest.raises(OSError, match="disk full"):
            store.keep(tmp_path / "there.csv", "0" * 64, NOW)

    assert list(store.folder.iterdir()) == []
