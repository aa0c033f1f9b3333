#!/bin/sh
# Installs what the acceptance tests need beside what make setup installs: LibreOffice, without its windows, and Chromium.
set -eu
cd "$(dirname "$0")/.."
. scripts/provide.sh

if ! command -v soffice >/dev/null; then
    provide "LibreOffice, which the acceptance tests open workbooks with," libreoffice-calc-nogui
    command -v soffice >/dev/null || stop "LibreOffice was installed, but there is no soffice on the PATH."
fi
if ! command -v chromium >/dev/null; then
    provide "Chromium, which the acceptance tests open the portal with," chromium
    command -v chromium >/dev/null || stop "Chromium was installed, but there is no chromium on the PATH."
fi
