"""What a server gets: what production needs, at the versions of the whole lock, and no more."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import PackageNotFoundError, requires

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from warehouse.project import PROJECT_DIR

SYSTEMS = (
    {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix", "platform_machine": "x86_64"},
    {"sys_platform": "darwin", "platform_system": "Darwin", "os_name": "posix", "platform_machine": "arm64"},
    {"sys_platform": "win32", "platform_system": "Windows", "os_name": "nt", "platform_machine": "AMD64"},
    {"sys_platform": "linux", "platform_python_implementation": "PyPy", "implementation_name": "pypy"},
    {"sys_platform": "emscripten", "platform_system": "Emscripten", "os_name": "posix"},
)
PYTHONS = ("3.11", "3.12", "3.13")


def locked(name: str) -> dict[str, str]:
    """Return the entry of each package in a lock: its version, marker and hashes."""
    text = (PROJECT_DIR / name).read_text(encoding="utf-8")
    entries = re.findall(r"^[a-z](?:.*\\\n)*.*$", text, re.MULTILINE)
    return {re.split("[=<> ;]", entry)[0]: entry for entry in entries}


def holds(requirement: Requirement, extra: str) -> bool:
    """Tell whether a requirement holds on some system and Python that the lock is for."""
    marker = requirement.marker
    return marker is None or any(
        marker.evaluate({**system, "python_version": python, "python_full_version": f"{python}.9", "extra": extra})
        for system in SYSTEMS
        for python in PYTHONS
    )


def needed(requirements: list[str], excluded: set[str]) -> set[str]:
    """Return the packages that requirements need, with all that these need, by what the installed ones say."""
    found: set[tuple[str, str]] = set()
    waiting = [(Requirement(one), "") for one in requirements]
    while waiting:
        requirement, extra = waiting.pop()
        name = canonicalize_name(requirement.name)
        if name in excluded or not holds(requirement, extra):
            continue
        for wanted in ("", *requirement.extras):
            if (name, wanted) in found:
                continue
            found.add((name, wanted))
            try:
                waiting += [(Requirement(one), wanted) for one in requires(name) or ()]
            except PackageNotFoundError:
                # Of another system than this one: it is locked, and needs nothing that is not.
                continue
    return {name for name, _ in found}


def test_a_server_gets_what_it_needs_and_no_more() -> None:
    project = tomllib.loads((PROJECT_DIR / "pyproject.toml").read_text(encoding="utf-8"))
    said, excluded = project["project"], set(project["tool"]["uv"]["exclude-dependencies"])
    production = locked("requirements.production.lock")

    wanted = needed([*said["dependencies"], *said["optional-dependencies"]["setup"]], excluded)
    assert set(production) == wanted


def test_it_gets_them_at_the_versions_that_are_tested() -> None:
    whole, production = locked("requirements.lock"), locked("requirements.production.lock")
    assert len(whole) > len(production) > 100
    for name, entry in production.items():
        # On which systems a package is needed may depend on what only tests and extras need.
        assert re.sub(" ;.*", "", entry) == re.sub(" ;.*", "", whole[name])
        assert "--hash=sha256:" in entry
    assert {"pip", "setuptools", "hatchling"} <= set(production)
    assert not {"pytest", "pytest-xdist", "hypothesis", "mypy", "ruff", "sqlfluff", "playwright"} & set(production)


def test_the_second_engines_environment_has_all_that_is_tested_and_spark() -> None:
    whole, spark = locked("requirements.lock"), locked("requirements.spark.lock")
    for name, entry in whole.items():
        assert re.sub(" ;.*", "", spark[name]) == re.sub(" ;.*", "", entry)
    assert {"dbt-spark", "pyspark", "py4j", "sqlparams", "pandas", "grpcio-status"} <= set(spark) - set(whole)
    assert len(set(spark) - set(whole)) < 15
    assert all("--hash=sha256:" in entry for entry in spark.values())
    assert "://" not in (PROJECT_DIR / "requirements.spark.lock").read_text(encoding="utf-8")
