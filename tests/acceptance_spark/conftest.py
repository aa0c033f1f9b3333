"""One JVM for all tests of Spark."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from warehouse.spark import spark_session

# Java made of each query, and made faster while it runs, would cost more here than the queries of few rows.
SETTINGS = {
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.shuffle.partitions": "2",
}


@pytest.fixture(scope="session")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("spark")
    os.environ["JDK_JAVA_OPTIONS"] = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
    with spark_session(folder, folder / "spark.log") as session:
        for name, value in SETTINGS.items():
            session.conf.set(name, value)
        yield session
