"""What the property tests share: the project, compiled once for each of two sets of settings."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, Phase, settings

from tests.properties.built import Project, compile_project
from tests.properties.reference import Rules

# How many times as many examples to try, then not the same ones each time: PROPERTY_EXAMPLES=20 make test ARGS=…
TIMES = int(os.environ.get("PROPERTY_EXAMPLES", "1"))
# With a cap, other zones, and accounts of one e-mail joined.
STRICT = Rules(5, 12, 10, "Europe/Paris", "America/Cayenne", by_email=True)


def examples(count: int) -> settings:
    return settings(
        max_examples=count * TIMES,
        derandomize=TIMES == 1,
        deadline=None,
        # Explaining would build a hundred times more.
        phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return compile_project(tmp_path_factory.mktemp("default"), {})


@pytest.fixture(scope="session")
def strict_project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    changed = {
        "identities.by_email" if name == "by_email" else name: str(value) for name, value in vars(STRICT).items()
    }
    return compile_project(tmp_path_factory.mktemp("strict"), changed)
