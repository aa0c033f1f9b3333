"""`identities.csv`: which accounts it joins, and what it says of a file that cannot be used."""

from __future__ import annotations

import pytest

from orchestration.defs.cleaning.forgetting import _left
from orchestration.home.identities import identities_digest, read_identities
from orchestration.home.paths import Home
from warehouse.errors import UserError
from warehouse.forgotten import Identifiers

SOURCES = '[sources.moodle-log]\nid_prefix = "m-"\nfolder = "downloads"\ntimezone = "Europe/Paris"\n'


def test_a_home_without_the_file_joins_nobody(home: Home) -> None:
    assert read_identities(home) == {}
    assert identities_digest({}) is None


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("separator", [",", ";"])
def test_accounts_have_the_prefix_of_their_source(home: Home, encoding: str, separator: str) -> None:
    home.settings_file.write_text(SOURCES)
    text = "source,user_id,learner\r\nmoodle-log,7,Zoé\r\n, u-1 ,Zoé\r\n\r\n,u-2,Ali\r\n,u-2,Ali\r\n"
    home.identities.write_text(text.replace(",", separator), encoding=encoding)
    assert read_identities(home) == {"m-7": 1, "u-1": 1, "u-2": 2}


def test_the_digest_tells_who_is_one_person_and_nothing_else() -> None:
    digest = identities_digest({"a": 1, "b": 1, "c": 2})
    assert identities_digest({"c": 1, "b": 2, "a": 2}) == digest
    assert identities_digest({"a": 1, "b": 2, "c": 2}) != digest
    # An account alone under its learner is not joined by its e-mail either.
    assert identities_digest({"a": 1, "b": 1}) != digest


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["nothing", "source,user_id,learner"]),
        ("user_id,learner\nu,Zoé\n", ["user_id,learner", "source,user_id,learner"]),
        ("source,user_id,learner\n,u\n", ["line 2", "2 cells"]),
        ("source,user_id,learner\n,u,Zoé\n\nmodle,7,Zoé\n", ["line 4", "'modle'", "moodle-log"]),
        ("source,user_id,learner\n,,Zoé\n", ["line 2", "no user_id"]),
        ("source,user_id,learner\n,u,\n", ["line 2", "no learner"]),
        ("source,user_id,learner\nmoodle-log,7,Zoé\n,m-7,Ali\n", ["line 3", "'m-7'", "line 2"]),
        ('source,user_id,learner\n,u,"Zoé\n', ["cannot be read"]),
    ],
)
def test_what_cannot_be_used(home: Home, text: str, words: list[str]) -> None:
    home.settings_file.write_text(SOURCES)
    home.identities.write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as error:
        read_identities(home)
    assert str(home.identities) in str(error.value)
    for word in words:
        assert word in str(error.value)


def test_a_file_that_is_not_utf_8(home: Home) -> None:
    home.identities.write_bytes("source,user_id,learner\n,u,Zoé\n".encode("cp1252"))
    with pytest.raises(UserError, match="CSV UTF-8"):
        read_identities(home)


def test_a_folder_in_its_place(home: Home) -> None:
    home.identities.mkdir()
    with pytest.raises(UserError, match="cannot be read"):
        read_identities(home)


def test_a_forgotten_learner_whom_the_file_names_is_listed(home: Home) -> None:
    home.identities.write_text("source,user_id,learner\n,u,Zoé Ba\n", encoding="utf-8")
    assert [match.path for match in _left(home, Identifiers(pairs=(("Zoé", "Ba"),)))] == [home.identities]
    assert _left(home, Identifiers(pairs=(("Ali", "Roy"),))) == ()
