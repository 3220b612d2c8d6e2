#!/bin/sh
# Builds what is installed: one folder with the whole application, and on Debian a package of it.
#
#     sh packaging/package.sh [--check]
#
# gives dist/gpn-desktop and dist/gpn-desktop_VERSION_ARCH.deb; on macOS "dist/GPN Desktop.app", on Windows (from
# Git's shell, with Inno Setup) an installer. With --check the tests of tests/package run on them. Everything
# inside comes from requirements.lock and contracts/package-lock.json; nothing of the development environment gets
# in, because the build has an environment of its own.
set -eu
cd "$(dirname "$0")/.."
check=""
for word in "$@"; do
    case "$word" in
        --check) check=1 ;;
        *) echo "package: $word is not known; there is --check" >&2; exit 2 ;;
    esac
done

# One time for everything in the package: that of the last change, so that equal sources make equal packages.
if [ -z "${SOURCE_DATE_EPOCH:-}" ]; then
    SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null || echo 1767225600)
fi
export SOURCE_DATE_EPOCH PYTHONHASHSEED=0 QT_QPA_PLATFORM=offscreen

bin=bin
case "$(uname -s)" in MINGW* | MSYS* | CYGWIN*) bin=Scripts ;; esac
env=build/env
python="$env/$bin/python"
want=$(cat requirements.lock requirements-package.lock requirements-bootstrap.lock | cksum)
if [ ! -f "$env/.locked" ] || [ "$(cat "$env/.locked")" != "$want" ]; then
    echo "package: installing the locked dependencies into $env"
    .venv/$bin/python -m venv --clear --without-pip "$env"
    for lock in requirements.lock requirements-package.lock; do
        .venv/$bin/uv pip install --quiet --python "$python" --require-hashes -r "$lock"
    done
    echo "$want" >"$env/.locked"
fi

since=$(date +%s)
"$python" packaging/icons.py build/icons
rm -rf build/gpn-desktop dist/gpn-desktop
"$python" -m PyInstaller --noconfirm --log-level WARN packaging/gpn-desktop.spec
echo "package: the folder took $(($(date +%s) - since)) s, $(du -sm dist/gpn-desktop | cut -f1) MB: dist/gpn-desktop"

deb=""
if command -v dpkg-deb >/dev/null 2>&1; then
    since=$(date +%s)
    deb=$("$python" packaging/deb.py dist/gpn-desktop build/icons dist)
    echo "package: the Debian package took $(($(date +%s) - since)) s, $(du -m "$deb" | cut -f1) MB: $deb"
else
    echo "package: no dpkg-deb here, so no Debian package"
fi
if command -v iscc >/dev/null 2>&1; then
    version=$(dist/gpn-desktop/gpn-desktop --version | cut -d' ' -f2)
    # The shell would take /D for a path.
    MSYS2_ARG_CONV_EXCL='*' iscc /Qp "/DVersion=$version" packaging/windows.iss
fi

if [ -n "$check" ]; then
    GPN_PACKAGE=dist/gpn-desktop GPN_PACKAGE_DEB="$deb" .venv/$bin/pytest tests/package -v -rs
fi
