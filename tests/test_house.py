"""The rooms of the project stand one above the other: no import runs up, wherever in a file it stands."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from warehouse.project import PROJECT_DIR

# What a room may import beside itself. Those of one floor know nothing of each other.
FLOORS = {
    "warehouse": set[str](),
    "connectors": {"warehouse"},
    "reports": {"warehouse"},
    "orchestration": {"warehouse", "connectors", "reports"},
    "portal": {"warehouse", "connectors", "reports", "orchestration"},
    "opco": {"warehouse", "connectors", "reports", "orchestration", "portal"},
}
# Beside the rooms: they import what they need, and nothing imports them.
OUTSIDE = {"benchmarks", "demo", "scripts", "tests"}
# The same within the reports. The modules beside these rooms every one of them may use; they know none.
REPORTS = {
    "export": set[str](),
    "sessions": {"export"},
    "delivery": {"export"},
    "printing": set[str](),
    "attestation": {"printing"},
    "documents": {"attestation", "printing"},
    "issuing": {"documents", "attestation", "printing"},
}


def modules(room: str) -> list[Path]:
    """The modules of a room; of one that is still to be built, as the connectors are, none."""
    folder = PROJECT_DIR / room.replace(".", "/")
    return [*folder.parent.glob(f"{folder.name}.py"), *sorted(folder.rglob("*.py"))]


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the line and the full name of whatever a module imports: at its top, in functions, for types alone."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = path.relative_to(PROJECT_DIR).parent.parts
            base = parents[: len(parents) - node.level + 1] if node.level else ()
            module = ".".join((*base, *filter(None, [node.module])))
            # `from reports import export` imports a module as much as `from reports.export import write` does.
            yield from ((node.lineno, f"{module}.{alias.name}") for alias in node.names)


def is_in(module: str, room: str) -> bool:
    return module == room or module.startswith(f"{room}.")


def running_up(room: str, forbidden: set[str]) -> list[str]:
    return [
        f"{path.relative_to(PROJECT_DIR)}:{line} imports {module}"
        for path in modules(room)
        for line, module in imports(path)
        if any(is_in(module, one) for one in forbidden)
    ]


@pytest.mark.parametrize("room", FLOORS)
def test_no_import_runs_up(room: str) -> None:
    assert running_up(room, (set(FLOORS) | OUTSIDE) - FLOORS[room] - {room}) == []


@pytest.mark.parametrize("room", REPORTS)
def test_no_import_of_the_reports_runs_up(room: str) -> None:
    forbidden = {f"reports.{one}" for one in REPORTS.keys() - REPORTS[room] - {room}}
    assert running_up(f"reports.{room}", forbidden) == []


def test_what_the_rooms_of_the_reports_share_knows_none_of_them() -> None:
    shared = [path.stem for path in (PROJECT_DIR / "reports").glob("*.py") if path.stem not in REPORTS]
    rooms = {f"reports.{one}" for one in REPORTS}
    assert [one for name in shared for one in running_up(f"reports.{name}", rooms)] == []


def test_the_reports_re_export_nothing() -> None:
    found = [
        f"{path.relative_to(PROJECT_DIR)}:{line} imports {module}"
        for path in modules("reports")
        for line, module in imports(path)
        if path.stem == "__init__" and is_in(module, ".".join(path.relative_to(PROJECT_DIR).parent.parts))
    ]
    assert found == []


def test_every_room_has_a_floor() -> None:
    assert {path.parent.name for path in PROJECT_DIR.glob("*/__init__.py")} <= set(FLOORS) | OUTSIDE
    assert {path.parent.name for path in PROJECT_DIR.glob("reports/*/__init__.py")} <= set(REPORTS)
    assert all(modules(room) for room in FLOORS if room != "connectors")
