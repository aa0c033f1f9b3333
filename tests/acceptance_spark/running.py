"""dbt on Spark over the archive of a home that DuckDB has built, in one session.

By hand: `.venv-spark/bin/python -m tests.acceptance_spark.running HOME FOLDER DBT-ARGUMENTS…`; what is built lies as
Parquet in FOLDER/staging, FOLDER/intermediate and FOLDER/marts.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from orchestration.home.paths import Home
from warehouse.project import PROJECT_DIR
from warehouse.spark import create_raw, export_raw, spark_session


@contextmanager
def engine(home: Home, folder: Path) -> Iterator[Any]:
    """Yield a session that has schema raw of the home's build file, and the other schemas empty, below `folder`."""
    with spark_session(folder, folder / "spark.log") as session:
        export_raw(home.build_file, folder)
        create_raw(session, home.build_file, str(home.archive), str(folder))
        yield session


def run_dbt_on_spark(folder: Path, arguments: Sequence[str], variables: dict[str, Any] | None = None) -> Any:
    """Return dbt's result of `arguments` in the session of `engine`."""
    from dbt.cli.main import dbtRunner

    project = {"DBT_PROFILES_DIR": str(PROJECT_DIR), "DBT_PROJECT_DIR": str(PROJECT_DIR)}
    os.environ.update(project | {"DBT_TARGET_PATH": str(folder / "dbt"), "DBT_LOG_PATH": str(folder / "dbt")})
    passed = json.dumps({"build_id": "of a test"} | (variables or {}))
    return dbtRunner().invoke([*arguments, "--target", "spark", "--vars", passed])


if __name__ == "__main__":
    chosen = Path(sys.argv[2]).resolve()
    with engine(Home(Path(sys.argv[1]).resolve()), chosen):
        sys.exit(0 if run_dbt_on_spark(chosen, sys.argv[3:]).success else 1)
