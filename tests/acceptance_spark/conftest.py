"""One JVM for all tests of Spark."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from warehouse.spark import spark_session


@pytest.fixture(scope="session")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("spark")
    # Java would make what it runs faster for longer than it runs here.
    os.environ["JDK_JAVA_OPTIONS"] = "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=256m -XX:+UseSerialGC"
    with spark_session(folder, folder / "spark.log") as session:
        yield session
