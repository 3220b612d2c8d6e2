#!/bin/sh
# Prepares a fresh machine: Debian packages (as root), .venv with the locked dependencies and the package itself,
# the local chain. Does again only what a changed lock asks for.
set -eu
cd "$(dirname "$0")/.."
PYTHON="${PYTHON:-python3}"
if ! "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "setup: Python 3.11 or newer is needed. Set PYTHON=/path/to/python3.11." >&2
    exit 1
fi

# missing_packages: those of the list that are neither installed nor provided under a newer name (libglib2.0-0t64).
missing_packages() {
    # shellcheck disable=SC2016  # dpkg-query's fields, not the shell's
    dpkg-query -W -f '${db:Status-Status} ${Package} ${Provides}\n' | awk '
        FILENAME == "-" { if ($1 == "installed") { gsub(/\([^)]*\)|,/, " "); for (i = 2; i <= NF; i++) have[$i] } next }
        !($1 in have) { printf " %s", $1 }' - packaging/debian-packages.txt
}

if command -v dpkg-query >/dev/null 2>&1; then
    missing=$(missing_packages)
    if [ -n "$missing" ] && [ "$(id -u)" = 0 ]; then
        echo "setup: installing$missing"
        export DEBIAN_FRONTEND=noninteractive
        apt-get update -qq
        # shellcheck disable=SC2086  # a list of words is meant
        apt-get install -y -qq --no-install-recommends $missing >/dev/null
    elif [ -n "$missing" ]; then
        echo "setup: Debian packages are missing. Run this line as root, then try again:" >&2
        echo "apt-get update && apt-get install -y --no-install-recommends$missing" >&2
        exit 1
    fi
fi

# stale STAMP FILE...: the stamp was not made from these files.
stale() {
    stamp="$1"
    shift
    want=$(cat "$@" | cksum)
    [ ! -f "$stamp" ] || [ "$(cat "$stamp")" != "$want" ]
}

if stale .venv/.locked requirements-dev.lock requirements-bootstrap.lock pyproject.toml; then
    echo "setup: installing the locked dependencies into .venv"
    # What an interrupted run left may lack pip.
    .venv/bin/python -m pip --version >/dev/null 2>&1 || "$PYTHON" -m venv --clear .venv
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-bootstrap.lock
    # The environment is named, for another one may be active in the caller's shell.
    uv() { .venv/bin/uv pip install --quiet --python .venv/bin/python "$@"; }
    uv --require-hashes -r requirements-dev.lock
    uv --no-deps --no-build-isolation -e .
    echo "$want" > .venv/.locked
fi
if stale contracts/node_modules/.locked contracts/package-lock.json; then
    echo "setup: installing the local chain and the contract's tools into contracts/node_modules"
    (cd contracts && PYTHON=../.venv/bin/python sh ../packaging/npm.sh ci --ignore-scripts --no-audit --no-fund --silent)
    echo "$want" > contracts/node_modules/.locked
fi
