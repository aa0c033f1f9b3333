#!/bin/sh
# Installs what the acceptance tests need beside what make setup installs: LibreOffice, without its windows, Chromium, a
# PostgreSQL server, a MariaDB server, what judges systemd's units, rsync, and Ralph, an LRS.
set -eu
cd "$(dirname "$0")/.."
. scripts/provide.sh

if ! command -v soffice >/dev/null; then
    provide "LibreOffice, which the acceptance tests open workbooks with," libreoffice-calc-nogui
    command -v soffice >/dev/null || stop "LibreOffice was installed, but there is no soffice on the PATH."
fi
has_postgres() {
    command -v initdb >/dev/null || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1
}
if ! has_postgres; then
    provide "PostgreSQL, which the acceptance tests keep Dagster's runs in," postgresql
    has_postgres || stop "PostgreSQL was installed, but there is no initdb in /usr/lib/postgresql."
fi
if ! command -v mariadbd >/dev/null && ! [ -x /usr/sbin/mariadbd ]; then
    provide "MariaDB, which the acceptance tests keep a Moodle in," mariadb-server
    [ -x /usr/sbin/mariadbd ] || command -v mariadbd >/dev/null || stop "MariaDB was installed, but there is no mariadbd."
fi
if ! command -v systemd-analyze >/dev/null; then
    provide "systemd-analyze, which the acceptance tests judge the units with," systemd
    command -v systemd-analyze >/dev/null || stop "systemd was installed, but there is no systemd-analyze on the PATH."
fi
if ! command -v rsync >/dev/null; then
    provide "rsync, which the acceptance tests back a home up with," rsync
    command -v rsync >/dev/null || stop "rsync was installed, but there is no rsync on the PATH."
fi
if ! command -v chromium >/dev/null; then
    provide "Chromium, which the acceptance tests open the portal with," chromium
    command -v chromium >/dev/null || stop "Chromium was installed, but there is no chromium on the PATH."
fi
if ! [ -x .venv/ralph/bin/uvicorn ]; then
    # It pins other releases of what the lock has, and so has an environment of its own.
    echo "Installing Ralph, the LRS that the acceptance tests ask…"
    .venv/bin/python -m venv --clear .venv/ralph
    .venv/ralph/bin/python -m pip install --quiet --disable-pip-version-check 'ralph-malph[full]==5.1.0' ||
        stop "pip could not install Ralph (ralph-malph)."
fi
