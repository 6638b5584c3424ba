#!/bin/sh
# Writes the bill of materials (CycloneDX 1.5, JSON) of a release's binary: every crate that is linked into it or takes part in its
# build, with version, licence, checksum and who needs whom. The same bytes from the same commit. Prints the path of the file.
#
#   deploy/sbom.sh [TRIPLE]
#
#   SOURCE_DATE_EPOCH=...         the time in it; default: that of the last commit
#   OUT=...                       where to; default: target/dist
#
# Needs cargo-cyclonedx: cargo install --locked cargo-cyclonedx
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
cd "$here"
if ! cargo cyclonedx --version >/dev/null 2>&1; then
    echo "deploy/sbom.sh: cargo-cyclonedx is not installed: cargo install --locked cargo-cyclonedx" >&2
    exit 1
fi
triple=${1:-$(rustc -vV | sed -n 's/^host: //p')}
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -n 1)
out=${OUT:-$here/target/dist}
name=zai-exporter-$version-${triple%%-*}-linux.cdx
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH

# It writes beside Cargo.toml, whatever folder is asked for.
trap 'rm -f "$here/$name.json"' EXIT
cargo cyclonedx --quiet --format json --spec-version 1.5 --target "$triple" --override-filename "$name" >&2
mkdir -p "$out"
# Where the sources lay is no business of who reads it.
sed "s|path+file://$here|path+file:///src|g; s|file://$here|file:///src|g" "$name.json" >"$out/$name.json"
echo "$out/$name.json"
