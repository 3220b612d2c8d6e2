#!/bin/sh
# Generates the Python modules of proto/*.proto; with --check only says whether the committed ones are stale.
set -eu
cd "$(dirname "$0")/.."
python=.venv/bin/python
peer=gpn_desktop/adapters/p2p/pb
grpc=gpn_desktop/adapters/grpc/pb

# protoc writes imports as if the modules lay at the top; in a package they need its name.
generate() { # root
    mkdir -p "$1/$peer" "$1/$grpc"
    PATH="$PWD/.venv/bin:$PATH" $python -m grpc_tools.protoc -I proto \
        --python_out="$1/$peer" --mypy_out="quiet:$1/$peer" peer.proto
    for name in seed gpn; do
        [ -f "proto/$name.proto" ] || continue
        PATH="$PWD/.venv/bin:$PATH" $python -m grpc_tools.protoc -I proto \
            --python_out="$1/$grpc" --mypy_out="quiet:$1/$grpc" \
            --grpc_python_out="$1/$grpc" --mypy_grpc_out="quiet:$1/$grpc" "$name.proto"
        for file in "$1/$grpc/${name}"_pb2*.py "$1/$grpc/${name}"_pb2*.pyi; do
            package=$(echo "$grpc" | tr / .)
            sed -i "s/^import ${name}_pb2 as/from $package import ${name}_pb2 as/" "$file"
        done
    done
}

case "${1:-}" in
"") generate . ;;
--check)
    fresh=$(mktemp -d)
    trap 'rm -rf "$fresh"' EXIT
    generate "$fresh"
    stale=0
    for folder in "$peer" "$grpc"; do
        for file in "$fresh/$folder"/*_pb2*; do
            committed="$folder/$(basename "$file")"
            cmp -s "$file" "$committed" || { echo "stale: $committed" >&2; stale=1; }
        done
    done
    [ $stale = 0 ] || { echo "Run proto/gen.sh and commit." >&2; exit 1; } ;;
*) echo "usage: proto/gen.sh [--check]" >&2; exit 2 ;;
esac
