#!/bin/sh
# Builds the binary that the image and the tarball hold: static, so that it runs where there is nothing else, and the same bytes
# from the same source in whatever folder it is built. Prints the path of the binary.
#
#   deploy/static.sh [TRIPLE]        default: that of this machine; x86_64-unknown-linux-gnu or aarch64-unknown-linux-gnu
#
# glibc, not musl: it is what the tests run with, and its allocator is the faster one. What a static glibc cannot do is load
# plug-ins for the lookup of names; files and DNS are built in, and the exporter looks up nothing but its listen address.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
cd "$here"
host=$(rustc -vV | sed -n 's/^host: //p')
triple=${1:-$host}
case $triple in
    x86_64-unknown-linux-gnu) cross=x86_64-linux-gnu-gcc ;;
    aarch64-unknown-linux-gnu) cross=aarch64-linux-gnu-gcc ;;
    *)
        echo "deploy/static.sh: no build is described for '$triple'; take x86_64-unknown-linux-gnu or aarch64-unknown-linux-gnu" >&2
        exit 64
        ;;
esac
if [ "$triple" != "$host" ]; then
    # Linking, and the C parts of a crate that has any, need the other machine's compiler.
    if ! command -v "$cross" >/dev/null; then
        echo "deploy/static.sh: $cross is not installed (Debian: gcc-${cross%-linux-gnu-gcc}-linux-gnu), and $triple cannot be linked without it" >&2
        exit 1
    fi
    name=$(echo "$triple" | tr a-z- A-Z_)
    export "CARGO_TARGET_${name}_LINKER=$cross" "CC_$(echo "$triple" | tr - _)=$cross"
fi
# What `zai_exporter_build_info` shows. In a build without git (the image's) the caller says it.
if [ -z "${ZAI_EXPORTER_REVISION:-}" ]; then
    ZAI_EXPORTER_REVISION=$(git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)
fi
export ZAI_EXPORTER_REVISION
# No path of this machine in the binary.
cargo_home=${CARGO_HOME:-$HOME/.cargo}
export RUSTFLAGS="-C target-feature=+crt-static --remap-path-prefix=$here=/src --remap-path-prefix=$cargo_home=/cargo"
# With --target the flags leave alone what runs at build time: a procedural macro cannot be static.
cargo build --release --locked --target "$triple" >&2
echo "${CARGO_TARGET_DIR:-$here/target}/$triple/release/zai-exporter"
