from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from orchestration.home.paths import Home
from orchestration.home.settings import is_secret, load_settings, setting_fields, settings_in_force, variable_of
from warehouse.errors import UserError
from warehouse.project import PROJECT_DIR


def test_defaults_of_the_rules_come_from_the_dbt_project(home: Home) -> None:
    rules = load_settings(home).rules
    assert rules.inactivity_timeout_minutes == 15
    assert rules.max_connection_minutes is None
    assert rules.long_connection_minutes == 480
    assert rules.raw_timezone == "UTC"
    assert rules.display_timezone == "Europe/Paris"


def test_option_wins_over_environment_over_file_over_default(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings(home).organisation.place is None
    home.settings_file.write_text('[organisation]\nplace = "Lille"\n')
    assert load_settings(home).organisation.place == "Lille"
    monkeypatch.setenv("OPCO_ORGANISATION__PLACE", "Brest")
    assert load_settings(home).organisation.place == "Brest"
    assert load_settings(home, {"organisation.place": "Lyon"}).organisation.place == "Lyon"
    assert load_settings(home, {"organisation.place": None}).organisation.place == "Brest"


def test_origin_of_each_setting_is_told(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.settings_file.write_text("[rules]\ninactivity_timeout_minutes = 5\nlong_connection_minutes = 300\n")
    monkeypatch.setenv("OPCO_RULES__LONG_CONNECTION_MINUTES", "240")
    monkeypatch.setenv("OPCO_EXPORT__DIALECT", "")
    told = {one.key: (one.value, one.origin) for one in settings_in_force(home)}
    assert told["rules.inactivity_timeout_minutes"] == (5, "opco.toml")
    assert told["rules.long_connection_minutes"] == (240, "environment")
    assert told["rules.raw_timezone"] == ("UTC", "default")
    assert told["export.dialect"] == ("excel", "default")


def test_a_process_reads_the_file_once_and_again_when_it_changed(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def set_timeout(minutes: int, second: int) -> None:
        home.settings_file.write_text(f"[rules]\ninactivity_timeout_minutes = {minutes}\n")
        os.utime(home.settings_file, (second, second))

    reads: list[Path] = []
    read_text = Path.read_text

    def counted(path: Path, *arguments: Any, **more: Any) -> str:
        reads.extend([path] if path == home.settings_file else [])
        return read_text(path, *arguments, **more)

    set_timeout(10, 1_700_000_000)
    monkeypatch.setattr(Path, "read_text", counted)
    assert [load_settings(home, session_id=one).rules.inactivity_timeout_minutes for one in (None, "S", None)] == [
        10
    ] * 3
    assert reads == [home.settings_file]
    set_timeout(20, 1_700_000_001)
    assert load_settings(home).rules.inactivity_timeout_minutes == 20
    # One that was written just now may be written once more within the same tick of the clock.
    home.settings_file.touch()
    reads.clear()
    load_settings(home)
    load_settings(home)
    assert reads == [home.settings_file] * 2


def test_a_variable_takes_back_the_cap_that_the_file_sets(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.settings_file.write_text("[rules]\nmax_connection_minutes = 240\n")
    assert load_settings(home).rules.max_connection_minutes == 240
    monkeypatch.setenv("OPCO_RULES__MAX_CONNECTION_MINUTES", "none")
    assert load_settings(home).rules.max_connection_minutes is None


def test_every_setting_that_may_be_none_takes_the_word(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    may_be = [one for one in settings_in_force(home) if "or none" in one.allowed]
    assert len(may_be) > 8
    for one in may_be:
        monkeypatch.setenv(one.variable, "none")
    told = {one.key: one.value for one in settings_in_force(home)}
    assert [told[one.key] for one in may_be] == [None] * len(may_be)


def test_a_session_has_defaults_of_its_own(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.settings_file.write_text(
        '[organisation]\nplace = "Lille"\nfooter = "SIRET 1"\ncapacity = "Directrice"\n'
        '[sessions."S/1"]\nplace = "Metz"\nfooter = ""\n[sessions.S-2]\nlanguage = "en"\n'
    )
    own = load_settings(home, session_id="S/1").organisation
    assert (own.place, own.footer, own.capacity, own.language) == ("Metz", None, "Directrice", "fr")
    assert load_settings(home, session_id="S-2").organisation.language == "en"
    assert load_settings(home, session_id="S-3").organisation.place == "Lille"
    assert load_settings(home).organisation.place == "Lille"
    monkeypatch.setenv("OPCO_ORGANISATION__PLACE", "Brest")
    assert load_settings(home, session_id="S/1").organisation.place == "Brest"
    assert load_settings(home, {"organisation.place": "Lyon"}, session_id="S/1").organisation.place == "Lyon"
    told = {one.key: (one.value, one.origin) for one in settings_in_force(home, "S/1")}
    assert told["organisation.footer"] == (None, "opco.toml")


def test_an_empty_option_leaves_an_input_out(home: Home) -> None:
    home.settings_file.write_text('[organisation]\nfooter = "Association loi 1901"\n')
    assert load_settings(home, {"organisation.footer": ""}).organisation.footer is None


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        ("[rules]\ninactivity_minutes = 5\n", ["inactivity_minutes", "[rules]", "inactivity_timeout_minutes"]),
        ("[organization]\n", ["organization", "organisation"]),
        ("rules = 5\n", ["rules", "[rules]"]),
        ("[alarms]\nstale_days = 3\n", ["opco.toml", "[alarms] has another name now", "write [alerts]"]),
        ('[sessions."S-1"]\nplaces = "Lyon"\n', ['[sessions."S-1"]', "places", "Nearest: place"]),
        ('[sessions."S-1"]\nlanguage = "de"\n', ['[sessions."S-1"]', "language", "'de'", "fr, en"]),
        ("sessions = 5\n", ['[sessions."ID"]']),
        (
            "[rules]\ninactivity_timeout_minutes = 0\n",
            ["rules.inactivity_timeout_minutes", "0", "opco.toml", "1 to 525600"],
        ),
        ("[rules]\nmax_connection_minutes = true\n", ["rules.max_connection_minutes", "True", "none for no cap"]),
        ('[rules]\ndisplay_timezone = "Europe/Pari"\n', ["rules.display_timezone", "Europe/Pari", "Europe/Paris"]),
        ('[rules]\nraw_timezone = "localtime"\n', ["rules.raw_timezone", "localtime", "IANA"]),
        ('[export]\ndialect = "tsv"\n', ["export.dialect", "tsv", "excel, rfc4180"]),
        ("[build]\nthreads = 0\n", ["build.threads", "0", "from 1 to 256"]),
        ("[rules\n", ["opco.toml", "not TOML", "line 1"]),
    ],
)
def test_what_is_wrong_in_the_file_is_named(home: Home, toml: str, words: list[str]) -> None:
    home.settings_file.write_text(toml)
    with pytest.raises(UserError) as error:
        load_settings(home)
    for word in words:
        assert word in str(error.value)


def test_an_unknown_variable_is_named_with_the_nearest(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPCO_RULES__RAW_TIMEZON", "UTC")
    with pytest.raises(UserError, match=r"OPCO_RULES__RAW_TIMEZON .*\n?.*Nearest: OPCO_RULES__RAW_TIMEZONE"):
        load_settings(home)


def test_a_variable_of_a_renamed_section_is_named_with_the_new_one(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPCO_ALARMS__STALE_DAYS", "3")
    with pytest.raises(UserError, match=r"OPCO_ALARMS__STALE_DAYS has another name now: OPCO_ALERTS__STALE_DAYS\."):
        load_settings(home)


def test_a_bad_variable_is_named_with_its_value(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPCO_RULES__INACTIVITY_TIMEOUT_MINUTES", "a while")
    with pytest.raises(UserError) as error:
        load_settings(home)
    for word in ("rules.inactivity_timeout_minutes", "'a while'", "OPCO_RULES__INACTIVITY_TIMEOUT_MINUTES", "minutes"):
        assert word in str(error.value)


def test_two_mistakes_are_both_named(home: Home) -> None:
    home.settings_file.write_text('[export]\ndialect = "tsv"\nlanguage = "de"\n')
    with pytest.raises(UserError, match=r"(?s)export\.dialect.*export\.language"):
        load_settings(home)


def test_home_is_option_then_variable_then_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir()
    other.mkdir()
    assert Home.find().folder == PROJECT_DIR
    monkeypatch.setenv("OPCO_HOME", str(one))
    assert Home.find().folder == one
    assert Home.find(other).folder == other
    with pytest.raises(UserError, match="nowhere"):
        Home.find(tmp_path / "nowhere")


def test_secrets_stand_in_a_folder_of_files(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "opco_email__password").write_text("from the file\n")
    # What is no secret is not taken from there.
    (tmp_path / "opco_email__host").write_text("smtp.exemple.fr")
    monkeypatch.setenv("OPCO_SECRETS", str(tmp_path))
    said = load_settings(home).email
    assert said.password is not None
    assert (said.password.get_secret_value(), said.host) == ("from the file", None)
    told = {one.key: (one.value, one.origin) for one in settings_in_force(home)}
    assert told["email.password"] == ("(set, not shown)", "environment")
    monkeypatch.setenv("OPCO_EMAIL__PASSWORD", "from the variable")
    said = load_settings(home).email
    assert said.password is not None
    assert said.password.get_secret_value() == "from the variable"
    monkeypatch.delenv("OPCO_EMAIL__PASSWORD")
    (tmp_path / "opco_email__password").write_bytes(b"\xff")
    with pytest.raises(UserError, match="opco_email__password cannot be read"):
        load_settings(home)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("postgresql://opco:hunter2@db/dagster", "OPCO_DAGSTER__POSTGRES_PASSWORD"),
        ("postgresql://opco@/dagster?password=hunter2", "OPCO_DAGSTER__POSTGRES_PASSWORD"),
        ("mysql://opco@db/dagster", "no address of a PostgreSQL database"),
        ("postgresql://opco@db", "no address of a PostgreSQL database"),
        ("postgresql://[db/dagster", "no address"),
    ],
)
def test_a_database_is_named_without_its_password(home: Home, url: str, words: str) -> None:
    home.settings_file.write_text(f'[dagster]\npostgres_url = "{url}"\n')
    with pytest.raises(UserError, match=words):
        load_settings(home)


def test_a_variable_takes_back_the_database_of_the_file(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.settings_file.write_text('[dagster]\npostgres_url = "postgresql://opco@db/dagster"\n')
    assert load_settings(home).dagster.postgres_url == "postgresql://opco@db/dagster"
    monkeypatch.setenv("OPCO_DAGSTER__POSTGRES_URL", "none")
    assert load_settings(home).dagster.postgres_url is None


@pytest.mark.parametrize(
    ("said", "is_refused"),
    [
        ({"portal.base_url": "http://opco.exemple.fr"}, True),
        ({"portal.base_url": "http://10.0.0.7:8000/opco"}, True),
        ({"portal.base_url": "http://localhost.exemple.fr"}, True),
        ({"portal.base_url": "http://127.exemple.fr"}, True),
        ({"portal.base_url": "https://opco.exemple.fr"}, False),
        ({"portal.base_url": "http://localhost:8000"}, False),
        ({"portal.base_url": "http://127.0.0.1:8000"}, False),
        ({"portal.base_url": "http://[::1]:8000"}, False),
        ({"portal.base_url": "http://opco.exemple.fr", "portal.plain_http": "true"}, False),
    ],
)
def test_keys_travel_over_tls_unless_a_setting_says_so(
    home: Home, said: dict[str, str | None], *, is_refused: bool
) -> None:
    if is_refused:
        with pytest.raises(UserError, match=r"portal\.base_url cannot be .*plain_http = true"):
            load_settings(home, said)
    else:
        assert load_settings(home, said).portal.base_url == said["portal.base_url"]


SERVICE = {
    "OPCO_SERVICE_HOST": "10.0.0.7",
    "OPCO_SERVICE_PORT": "8000",
    "OPCO_SERVICE_PORT_HTTP": "8000",
    "OPCO_PORT": "tcp://10.0.0.7:8000",
    "OPCO_PORT_8000_TCP": "tcp://10.0.0.7:8000",
    "OPCO_PORT_8000_TCP_PROTO": "tcp",
    "OPCO_PORT_8000_TCP_PORT": "8000",
    "OPCO_PORT_8000_TCP_ADDR": "fd00::7",
}


@pytest.mark.parametrize("service", ["OPCO", "OPCO_PORTAL", "OPCO_DAGSTER_DAEMON"])
def test_what_kubernetes_says_of_a_service_is_no_setting(
    home: Home, monkeypatch: pytest.MonkeyPatch, service: str
) -> None:
    for name, value in SERVICE.items():
        monkeypatch.setenv(name.replace("OPCO", service, 1), value)
    assert load_settings(home).organisation.place is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OPCO_PORT", "8000"),
        ("OPCO_EMAIL_PORT", "587"),
        ("OPCO_EMAIL__PORTS", "tcp://10.0.0.7:587"),
        ("OPCO_SERVICE_HOST", "mail.exemple.fr"),
        ("OPCO_ORGANISATION_PLACE", "Lille"),
        ("opco_service_port", "8000"),
    ],
)
def test_a_misspelt_variable_is_still_refused_beside_them(
    home: Home, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(UserError, match=f"variable {name} is no setting"):
        load_settings(home)


ADDRESSES = (
    "mysql://opco:hunter2@db.exemple.fr/dagster",
    "postgresql://opco:hun/ter2@hunter2@db.exemple.fr/dagster",
    "postgresql://opco@db.exemple.fr/dagster?sslpassword=hunter2",
    "postgresql://opco:hunter2@[db/dagster",
    "https://opco:hunter2@opco.exemple.fr\\",
)


def said_of(home: Home) -> str:
    """Return the error that loading the settings ends in; nothing where it does not."""
    try:
        load_settings(home)
    except UserError as error:
        return str(error)
    return ""


def test_no_error_repeats_a_secret(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    for key in setting_fields():
        addresses = ADDRESSES if key in ("dagster.postgres_url", "portal.base_url") else ADDRESSES[1:2]
        for text in (*addresses, *(["hunter2"] if is_secret(key) else [])):
            monkeypatch.setenv(variable_of(key), text)
            assert "ter2" not in said_of(home), key
        monkeypatch.delenv(variable_of(key))


def test_no_error_repeats_a_secret_that_stands_in_the_file(home: Home) -> None:
    for key in filter(is_secret, setting_fields()):
        section, name = key.split(".")
        home.settings_file.write_text(f'[{section}]\n{name} = "hunter2"\n', encoding="utf-8")
        said = said_of(home)
        assert said
        assert "hunter2" not in said


@pytest.mark.parametrize("value", ["windows-1259", "base64", "hex", "utf8", "UTF-8", "utf-8-sig"])
def test_an_encoding_is_one_of_text_and_not_utf_8(home: Home, value: str) -> None:
    with pytest.raises(UserError, match=r"raw\.encoding"):
        load_settings(home, {"raw.encoding": value})
    for known in ("windows-1252", "utf-16", "ISO-8859-15"):
        assert load_settings(home, {"raw.encoding": known}).raw.reading().encoding == known
    assert load_settings(home, {"raw.max_unpacked": "2 GiB"}).raw.reading().max_unpacked == 2**31
