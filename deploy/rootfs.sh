#!/bin/sh
# Lays out the file system of the image: the binary, the time zones that a configuration may name, a name for the user, and the
# directory of the state.
#
#   deploy/rootfs.sh BINARY FOLDER
set -eu

if [ $# -ne 2 ] || [ ! -f "$1" ]; then
    echo "usage: deploy/rootfs.sh BINARY FOLDER (BINARY: an executable, from deploy/static.sh; FOLDER: is made)" >&2
    exit 64
fi
binary=$1
root=$2
zones=/usr/share/zoneinfo
if [ ! -d "$zones/Asia" ]; then
    echo "deploy/rootfs.sh: $zones is not there; install tzdata, or \`timezone:\` in a configuration would be refused in the image" >&2
    exit 1
fi
mkdir -p "$root/usr/bin" "$root/usr/share" "$root/etc" "$root/var/lib/zai-exporter" "$root/var/log/app"
install -m 0755 "$binary" "$root/usr/bin/zai-exporter"
cp -RL "$zones" "$root/usr/share/"
# Twice the same zones, with leap seconds and without; nobody asks for either by name.
rm -rf "$root/usr/share/zoneinfo/right" "$root/usr/share/zoneinfo/posix"
echo 'zai-exporter:x:65534:65534::/var/lib/zai-exporter:/nonexistent' >"$root/etc/passwd"
echo 'zai-exporter:x:65534:' >"$root/etc/group"
# For a plain `docker run` with a volume there; Kubernetes mounts its own.
chown 65534:65534 "$root/var/lib/zai-exporter"
