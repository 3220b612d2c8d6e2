#!/bin/sh
# Re-locks the dependencies: hashes, markers for every platform, no download addresses.
set -eu
cd "$(dirname "$0")/.."
UV="${UV:-.venv/bin/uv}"
compile() { "$UV" pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-header --no-annotate \
    --no-emit-index-url --no-emit-find-links "$@"; }
compile --group dev pyproject.toml -o requirements-dev.lock
compile pyproject.toml -c requirements-dev.lock -o requirements.lock
echo uv | compile - -o requirements-bootstrap.lock
echo pyinstaller==6.22.3 | compile - -c requirements-dev.lock -o requirements-package.lock
