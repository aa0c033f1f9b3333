#!/bin/sh
# Sets up .venv with the locked packages, and the system libraries that the PDFs need. Does nothing when all is there.
# PYTHON=/path/to/python chooses the interpreter. With --production nothing is installed that only tests need; with
# --spark it is .venv-spark, an environment of its own with the second engine as well, and Java.
set -eu
cd "$(dirname "$0")/.."

venv=.venv
case "${1:-}" in
--production) lock=requirements.production.lock ;;
--spark) lock=requirements.spark.lock venv=.venv-spark ;;
"") lock=requirements.lock ;;
*) echo "scripts/setup.sh takes nothing, --production or --spark." >&2 && exit 2 ;;
esac

stamp=$venv/setup-stamp
# A clone that was moved, or another interpreter asked for, needs a new environment as well.
wanted="$(pwd)
$lock
${PYTHON:-any} $(cat "$lock" pyproject.toml scripts/setup.sh scripts/provide.sh | cksum)"
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ] && "$venv/bin/python" -c '' 2>/dev/null; then
    exit 0
fi

. scripts/provide.sh

is_supported() {
    "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null
}

python=
if [ -n "${PYTHON:-}" ]; then
    is_supported "$PYTHON" || stop "PYTHON=$PYTHON is no Python 3.11, 3.12 or 3.13."
    python=$PYTHON
else
    for candidate in python3 python3.13 python3.12 python3.11; do
        if command -v "$candidate" >/dev/null && is_supported "$candidate"; then
            python=$candidate
            break
        fi
    done
    [ -n "$python" ] || stop "Python 3.11, 3.12 or 3.13 is needed, and none is on the PATH. Install one, or type: PYTHON=/path/to/python make setup"
fi
minor=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')

has_libraries() {
    "$python" - <<'PY'
import ctypes, sys

for names in (
    ("libpango-1.0.so.0", "libpango-1.0.dylib"),
    ("libpangoft2-1.0.so.0", "libpangoft2-1.0.dylib"),
    # Without it the fonts of a PDF are cut down in Python: four times as slow.
    ("libharfbuzz-subset.so.0", "libharfbuzz-subset.dylib"),
):
    for name in names:
        try:
            ctypes.CDLL(name)
            break
        except OSError:
            pass
    else:
        sys.exit(1)
PY
}
if ! has_libraries; then
    provide "Pango with HarfBuzz-Subset, which the PDFs need," libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0
    has_libraries || stop "Pango or HarfBuzz-Subset still cannot be loaded after the installation. Look at: ldconfig -p | grep -e pango -e harfbuzz-subset"
fi
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    provide "Python's venv module" "python$minor-venv"
fi

if [ "$("$venv/bin/python" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null || true)" != "$minor" ] ||
    ! "$venv/bin/python" -m pip --version >/dev/null 2>&1 || { [ -f "$stamp" ] && [ "$(head -n 2 "$stamp")" != "$(printf '%s\n' "$wanted" | head -n 2)" ]; }; then
    echo "Making $venv with Python $minor…"
    rm -rf "$venv"
    "$python" -m venv "$venv"
fi
rm -f "$stamp"
echo "Installing the locked packages into $venv (about a minute)…"
pip() {
    "$venv/bin/python" -m pip --disable-pip-version-check --no-input "$@"
}
if [ "$venv" = .venv-spark ] && ! java -version 2>/dev/null; then
    provide "Java, which Spark runs in here," openjdk-17-jre-headless
fi
# The lock names every package with its hashes; dependencies are not asked for again (see pyproject.toml).
# pip itself is among them.
pip install -qq --no-deps --require-hashes -r "$lock" ||
    stop "The locked packages could not be installed. Is the package index reachable? (pip's own message stands above)"
pip install -qq --no-deps --no-build-isolation -e .
printf '%s' "$wanted" >"$stamp"
echo "Set up."
