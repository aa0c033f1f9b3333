"""Where the inputs of attestations come from: what is given, the issue in force, the session, the organisation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from opco.attest import OPTIONS
from opco.cli import app, load_commands
from orchestration.defs.attestations import issuing
from orchestration.defs.attestations.assets import DocumentConfig
from orchestration.defs.attestations.inputs import SessionInputs, input_warnings, session_inputs
from orchestration.home.paths import Home
from orchestration.home.sections.documents import INPUTS, OrganisationSettings
from orchestration.home.settings import load_settings
from reports.attestation.inputs import AttestationInputs, GivenInputs
from reports.attestation.parts import printed_inputs
from reports.issuing.manifest import MANIFEST, Manifest, read_manifest
from warehouse.errors import UserError

load_commands()

SETTINGS = """
[organisation]
name = "Alpage"
place = "Lyon"
footer = "SIRET"
training_duration = "du 14 septembre au 30 octobre 2026"
custom_fields = ["Dossier, n°", "OPCO"]

[sessions."S"]
place = "Nantes"

[sessions."T"]
training_duration = "35 h"
"""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    (tmp_path / "opco.toml").write_text(SETTINGS, encoding="utf-8")
    return Home(tmp_path)


def issued(home: Home, number: int, **inputs: Any) -> None:
    """Leave an issue of the session S with these inputs."""
    values: dict[str, Any] = dict.fromkeys(Manifest.__dataclass_fields__, "")
    values |= {"format": 1, "issue_number": number, "previous_issue": None, "settings": {}, "making": None}
    values |= dict.fromkeys(("asked_for", "documents", "cancelled", "left_out"), ())
    values["inputs"] = printed_inputs(AttestationInputs(**inputs), {})
    folder = home.attestations / "S" / f"issue-{number}"
    folder.mkdir(parents=True)
    (folder / MANIFEST).write_bytes(Manifest(**values).to_json())


def found(
    home: Home, session_id: str, given: dict[str, str | None] | None = None, *, from_settings: bool = False
) -> SessionInputs:
    """Return the inputs of a session, by its settings as they are now."""
    settings = load_settings(home, session_id=session_id)
    return session_inputs(home, session_id, settings, given, from_settings=from_settings)


def inputs_of_session(*asked: Any, **options: Any) -> AttestationInputs:
    """Return the inputs of a session's next issue."""
    return found(*asked, **options).inputs


def test_the_session_comes_before_the_organisation(home: Home) -> None:
    inputs = inputs_of_session(home, "S")
    assert (inputs.name, inputs.place, inputs.footer) == ("Alpage", "Nantes", "SIRET")
    assert inputs.custom_fields == ("Dossier, n°", "OPCO")
    assert inputs_of_session(home, "other").place == "Lyon"


def test_the_limits_of_a_log_are_stated_where_the_home_has_such_a_source(home: Home) -> None:
    assert inputs_of_session(home, "S").log_limits == ()
    sources = "[sources.moodle-log]\n[sources.360learning]\n[sources.xapi]\n"
    sources += '[sources.classes]\nkind = "virtual-classes"\n'
    home.settings_file.write_text(SETTINGS + sources, encoding="utf-8")
    assert inputs_of_session(home, "S").log_limits == ("360learning", "moodle_log", "virtual_classes", "xapi")


def test_a_duration_is_of_one_session_alone(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    assert inputs_of_session(home, "S").training_duration is None
    assert inputs_of_session(home, "T").training_duration == "35 h"
    assert inputs_of_session(home, "S", {"training_duration": "7 h"}).training_duration == "7 h"
    (said,) = input_warnings(home, "S", found(home, "S"))
    assert said.startswith("training_duration in [organisation] has no effect for all sessions at once")
    monkeypatch.setenv("OPCO_ORGANISATION__TRAINING_DURATION", "99 h")
    assert inputs_of_session(home, "S").training_duration is None
    assert inputs_of_session(home, "T").training_duration == "35 h"
    assert len(input_warnings(home, "S", found(home, "S"))) == 2


def test_what_is_not_given_is_that_of_the_issue_in_force(home: Home) -> None:
    issued(home, 1, place="Brest")
    issued(home, 2, place="Rennes", capacity="Gérante", language="en")
    inputs = inputs_of_session(home, "S", {"footer": "RCS"})
    assert inputs == AttestationInputs(
        name="Alpage",
        place="Rennes",
        capacity="Gérante",
        footer="RCS",
        language="en",
        custom_fields=("Dossier, n°", "OPCO"),
    )
    assert "as in the issue in force, though the settings say otherwise: place, language;" in "".join(
        input_warnings(home, "S", found(home, "S", {"footer": "RCS"}))
    )
    taken = inputs_of_session(home, "S", {"language": "en"}, from_settings=True)
    assert (taken.place, taken.capacity, taken.language) == ("Nantes", None, "en")


def test_what_was_left_out_stays_left_out(home: Home) -> None:
    first = inputs_of_session(home, "S", {"footer": "", "capacity": ""})
    # Nothing would have been printed for a capacity: its absence decides nothing for later.
    assert (first.footer, first.left_out) == (None, ("footer",))
    issued(home, 1, footer=None, left_out=("footer",), place="Nantes")
    second = inputs_of_session(home, "S")
    assert (second.footer, second.left_out) == (None, ("footer",))
    assert inputs_of_session(home, "S", {"footer": "SIRET"}).left_out == ()
    assert inputs_of_session(home, "S", from_settings=True).footer == "SIRET"


def test_custom_fields_are_titles_parted_by_semicolons(home: Home) -> None:
    assert inputs_of_session(home, "S", {"custom_fields": "A, b; C"}).custom_fields == ("A, b", "C")
    assert inputs_of_session(home, "S", {"custom_fields": ""}).custom_fields == ()


def test_the_name_has_another_key_in_manifests(home: Home) -> None:
    issued(home, 1, left_out=("name",), place="Nantes")
    kept = read_manifest(home.attestations / "S" / "issue-1").inputs
    assert (kept["organisation_name"], kept["left_out"]) == (None, ["organisation_name"])
    assert (inputs_of_session(home, "S").name, inputs_of_session(home, "S").left_out) == (None, ("name",))


def test_a_value_that_is_not_allowed_is_named_with_what_is(home: Home) -> None:
    with pytest.raises(UserError) as raised:
        inputs_of_session(home, "S", {"language": "de"})
    assert str(raised.value).startswith("The setting organisation.language cannot be 'de' (from the command's option)")
    assert str(raised.value).endswith("Allowed: fr, en.")


def test_each_input_is_a_setting_an_option_and_a_field_of_the_run() -> None:
    declared = {name: field.description for name, field in GivenInputs.model_fields.items()}
    settings = {name: field.description for name, field in OrganisationSettings.model_fields.items()}
    of_the_run = {name: field.description for name, field in DocumentConfig.model_fields.items()}
    assert settings == declared
    assert declared.items() <= of_the_run.items()
    options = {one.name: str(getattr(one, "help", "")) for one in vars(get_command(app))["commands"]["attest"].params}
    for name, description in declared.items():
        assert options[OPTIONS.get(name, name)].startswith(description or "?")
    assert set(INPUTS) == declared.keys() - {"language", "custom_fields"}


def test_the_images_that_an_issue_will_take_are_begun_early(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[object] = []
    monkeypatch.setattr(issuing, "context", lambda: begun.append("loading"))
    monkeypatch.setattr(issuing, "begin_to_read", lambda _assets, names: begun.append(names))
    with_logo = SETTINGS.replace("[organisation]", '[organisation]\nlogo = "usual.png"')
    home.settings_file.write_text(with_logo, encoding="utf-8")
    issuing.begin_early(home, "S", "attestations", {"stamp": "given.png"})
    issuing.begin_early(home, "S", "certificate", {})
    # The run says what is wrong with it.
    issuing.begin_early(home, "S", "attestations", {"language": "xx"})
    assert begun == [
        *("loading", {"logo": "usual.png", "stamp": "given.png"}),
        *("loading", {"logo": "usual.png", "stamp": None}),
        "loading",
    ]
