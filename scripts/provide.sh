# Functions of the scripts that install things; read by them with `.`.

stop() {
    printf '\n%s\n' "$@" >&2
    exit 1
}

# Installs Debian packages ($2…) that provide $1: as root at once, else it says the one command to type.
provide() {
    what=$1
    shift
    if ! command -v apt-get >/dev/null; then
        if [ "$(uname)" = Darwin ]; then
            stop "$what is missing. Type: brew install pango harfbuzz"
        fi
        stop "$what is missing. Install it with this system's package manager (on Debian: $*), then try again."
    fi
    if [ "$(id -u)" != 0 ]; then
        stop "$what is missing. Type: sudo sh -c 'apt-get update && apt-get install -y --no-install-recommends $*'"
    fi
    echo "Installing $what with apt…"
    log=$(mktemp)
    if ! { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"; } >"$log" 2>&1; then
        tail -n 20 "$log" >&2
        rm -f "$log"
        stop "apt could not install $what. Type: apt-get update && apt-get install -y $*"
    fi
    rm -f "$log"
}
