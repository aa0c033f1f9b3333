"""Pictures of documents, compared with those that were looked at and found good.

A picture that differs is written beside the test's other files and named: look at it, and if it is meant, put it in the
place of the reference.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pypdfium2
import pytest
from PIL import Image, ImageChops, ImageFilter

from reports.attestation.inputs import AttestationInputs
from tests.issuing import issue_from

SESSION = "SST-26"
REFERENCES = Path(__file__).parent / "pictures"
ASSETS = Path(__file__).parents[3] / "demo" / "assets"
# Of all pixels, how many may differ by more than a quarter of the way from black to white once blurred.
TOLERANCE = 0.004
FULL = AttestationInputs(
    name="Atelier des Trois Rives",
    legal_representative="Hélène Vasseur",
    capacity="Directrice",
    training_duration="10 h 30 à distance",
    place="Rennes",
    footer="Atelier des Trois Rives (société fictive), 12, quai de l’Exemple, 35000 Rennes\nSIRET 900 000 007 00019",
    logo="logo.svg",
    stamp="stamp.png",
)


def one_connection(campus: Any) -> AttestationInputs:
    campus.session(SESSION, "Automne 2026", "2026-10-04 22:00:00", "2026-12-18 22:30:00")
    campus.learner("U1", "Dupont", "Marie", "Boulangerie Martin & Fils")
    campus.connected("U1", SESSION, "C1", "2026-10-12 07:12:04", "2026-10-12 08:03:03")
    campus.enrolled("U1", SESSION, progress="62.25", score="84.45")
    steps = [
        ("course", "C1", "Prévenir les risques", True, False, 5400, True, "62.25", None, None, "2026-10-12 22:30:00"),
        ("assessment", "A1", "Quiz final", True, True, None, True, None, "84.45", True, "2026-10-12 09:00:00"),
        ("course", "C2", "Gestes et postures", True, False, 0, False, None, None, None, None),
    ]
    campus.steps("U1", SESSION, steps)
    return FULL


def everything(campus: Any) -> AttestationInputs:
    """Overlaps, cap, open and inexplicit ends, a night of the clock's change, a long name, English."""
    campus.session(SESSION, "Evening classes", None, "2026-12-18 22:30:00")
    campus.learner("U1", "de Montmorency-Laval de la Rochefoucauld d’Enville " * 3, "Anne-Élisabeth Marie Joséphine")
    campus.connected("U1", SESSION, "C1", "2026-10-10 07:00:00", "2026-10-10 10:00:00", capped=3600)
    campus.connected("U1", SESSION, "C3", "2026-10-12 07:00:00", "2026-10-12 08:00:00", overlap=600, inside=True)
    campus.connected(
        "U1", SESSION, "C2", "2026-10-24 21:30:00", "2026-10-25 01:45:00", "moved_on", overlap=60, outside=True
    )
    campus.connected("U1", SESSION, "C3", "2026-10-26 22:30:00", "2026-10-26 23:30:00", "timeout", evidence="event_run")
    campus.connected("U1", SESSION, "C3", "2026-11-02 07:00:00", None, "open")
    campus.enrolled("U1", SESSION)
    campus.steps(
        "U1", SESSION, [("course", "C3", "Sécurité incendie", False, None, None, True, "5", None, False, None)]
    )
    return FULL.model_copy(update={"language": "en", "logo": None, "training_duration": "120 hours"})


def other_script(campus: Any) -> AttestationInputs:
    campus.session(SESSION, "Automne 2026", None, None)
    campus.learner("U1", "بن عمر", "ياسمين")
    campus.connected("U1", SESSION, "X", "2026-10-12 07:00:00", "2026-10-12 08:00:00", name="السلامة المهنية")
    campus.connected("U1", SESSION, "X", "2026-10-13 07:00:00", "2026-10-13 08:00:00", name="בטיחות בעבודה")
    campus.connected("U1", SESSION, "X", "2026-10-14 07:00:00", "2026-10-14 08:00:00", name="Охрана труда – Υγιεινή")
    campus.enrolled("U1", SESSION)
    campus.steps("U1", SESSION, [("course", "X", "السلامة المهنية", True, False, 5400, True, "100", None, None, None)])
    return AttestationInputs()


def nameless_and_bare(campus: Any) -> AttestationInputs:
    campus.session(SESSION, "Automne 2026", None, None)
    campus.learner("U-2041-unnamed", None, None)
    campus.connected("U-2041-unnamed", SESSION, "C3", "2026-10-12 07:00:00", "2026-10-12 07:00:00")
    campus.enrolled("U-2041-unnamed", SESSION)
    return AttestationInputs()


def long_log(campus: Any) -> AttestationInputs:
    campus.session(SESSION, "Année 2026", None, None)
    campus.learner("U1", "Dupont", "Marie")
    campus.connection.execute(
        """
        insert into fct_opco_connections
        select 'L' || i, 'U1', $session, 'C' || i % 3, timestamp '2026-01-12 06:00:00' + to_hours(i * 25),
            timestamp '2026-01-12 06:30:00' + to_hours(i * 25), 'left', 'native_log', 1800, 0, 0, 1800,
            false, false, false,
            ['Prévenir les risques', 'Accueillir un client en situation de handicap : posture', 'Incendie'][i % 3 + 1],
            []
        from range(300) as t(i)
        """,
        {"session": SESSION},
    )
    campus.enrolled("U1", SESSION)
    return FULL


@pytest.mark.parametrize(
    ("fill", "page"),
    [(one_connection, 0), (everything, 0), (other_script, 0), (nameless_and_bare, 0), (long_log, 0), (long_log, 1)],
    ids=["one-connection", "everything", "other-script", "nameless", "long-first", "long-second"],
)
def test_a_page_looks_as_it_did(
    campus: Any, tmp_path: Path, request: pytest.FixtureRequest, fill: Callable[[Any], AttestationInputs], page: int
) -> None:
    campus.build(cap=120)
    inputs = fill(campus)
    summary = issue_from(
        campus.close(), SESSION, inputs, folder=tmp_path / "issues", assets=ASSETS, issued_on=date(2027, 1, 15)
    )
    document = pypdfium2.PdfDocument(summary.folder / summary.documents[0].file)
    picture = document[page].render(scale=1).to_pil().convert("L")
    name = f"{request.node.callspec.id}.png"
    picture.save(tmp_path / name)
    assert (REFERENCES / name).exists(), f"No reference to compare with; the picture is {tmp_path / name}"
    with Image.open(REFERENCES / name) as reference:
        assert picture.size == reference.size
        difference = ImageChops.difference(
            *(one.filter(ImageFilter.BoxBlur(1)) for one in (picture, reference.convert("L")))
        )
    differing = sum(difference.histogram()[64:]) / (picture.width * picture.height)
    assert differing <= TOLERANCE, f"{differing:.2%} of the pixels differ; look at {tmp_path / name}"
