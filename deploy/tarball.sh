#!/bin/sh
# Packs a release for machines without Kubernetes: the static binary, the systemd unit, rules, dashboards, the licence. The same
# bytes from the same commit. Prints the path of the tarball; its checksum stands beside it (.sha256).
#
#   deploy/tarball.sh [TRIPLE]
#
#   ZAI_EXPORTER_STATIC_BIN=...   pack this binary instead of building one with deploy/static.sh
#   SOURCE_DATE_EPOCH=...         the time of the files in it; default: that of the last commit
#   OUT=...                       where to; default: target/dist
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
triple=${1:-$(rustc -vV | sed -n 's/^host: //p')}
binary=${ZAI_EXPORTER_STATIC_BIN:-}
[ -n "$binary" ] || binary=$("$here/deploy/static.sh" "$triple")
if [ ! -x "$binary" ]; then
    echo "deploy/tarball.sh: $binary is not there or cannot be executed; build it with deploy/static.sh $triple" >&2
    exit 1
fi
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' "$here/Cargo.toml" | head -n 1)
out=${OUT:-$here/target/dist}
name=zai-exporter-$version-${triple%%-*}-linux
epoch=${SOURCE_DATE_EPOCH:-$(git -C "$here" log -1 --format=%ct)}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/$name/systemd" "$work/$name/alerts" "$work/$name/dashboards" "$out"
install -m 0755 "$binary" "$work/$name/zai-exporter"
install -m 0644 "$here"/deploy/systemd/* "$work/$name/systemd/"
find "$here/alerts" -maxdepth 1 \( -name '*.yaml' -o -name '*.md' \) -exec install -m 0644 -t "$work/$name/alerts" {} +
find "$here/dashboards" -maxdepth 1 -name '*.json' -exec install -m 0644 -t "$work/$name/dashboards" {} +
for file in LICENSE README.md CHANGELOG.md; do
    [ ! -f "$here/$file" ] || install -m 0644 "$here/$file" "$work/$name/"
done
# Folders get their modes from the umask of who packs.
find "$work/$name" -type d -exec chmod 0755 {} +

tarball=$out/$name.tar.gz
tar --sort=name --format=ustar --mtime="@$epoch" --owner=0 --group=0 --numeric-owner -C "$work" -cf - "$name" | gzip -9n >"$tarball.part"
mv "$tarball.part" "$tarball"
(cd "$out" && sha256sum "$name.tar.gz" >"$name.tar.gz.sha256")
echo "$tarball"
