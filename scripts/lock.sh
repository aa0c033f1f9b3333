#!/bin/sh
# Resolves the locks from pyproject.toml, for all supported versions of Python and all systems, with hashes:
# requirements.lock holds everything, requirements.production.lock what a server needs, and requirements.spark.lock
# everything and the second engine, at the same versions.
set -eu
cd "$(dirname "$0")/.."
tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
"${PYTHON:-python3}" -m venv "$tools"
"$tools/bin/python" -m pip install --quiet --disable-pip-version-check uv
resolve() {
    "$tools/bin/uv" pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
        --no-annotate --no-header --no-emit-index-url --no-emit-find-links --quiet "$@"
}
resolve --extra setup --extra dev --extra mcp --extra notebook -o requirements.lock
resolve --extra setup --constraints requirements.lock -o requirements.production.lock
resolve --extra setup --extra dev --extra mcp --extra notebook --extra spark --constraints requirements.lock \
    -o requirements.spark.lock
echo "requirements.lock, requirements.production.lock and requirements.spark.lock are resolved."
