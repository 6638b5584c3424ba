# syntax=docker/dockerfile:1

# The image of zai-exporter, for linux/amd64 and linux/arm64:
#
#   docker buildx build --platform linux/amd64,linux/arm64 --build-arg REVISION="$(git rev-parse --short=12 HEAD)" \
#     -t registry.example.com/observability/zai-exporter:0.1.0 --push .
#
# What the last stage holds is laid out by deploy/rootfs.sh and tried in the project's tests without an image builder.

ARG RUST_VERSION=1.95

# On the builder's own machine, whatever the image is for: a compiler under emulation takes many times as long.
FROM --platform=$BUILDPLATFORM rust:${RUST_VERSION}-bookworm AS build
ARG TARGETARCH
ARG REVISION=unknown
RUN <<'EOF'
set -eu
case "$TARGETARCH" in
    amd64) triple=x86_64-unknown-linux-gnu packages="gcc-x86-64-linux-gnu libc6-dev-amd64-cross" ;;
    arm64) triple=aarch64-unknown-linux-gnu packages="gcc-aarch64-linux-gnu libc6-dev-arm64-cross" ;;
    *) echo "Dockerfile: no build is described for the architecture '$TARGETARCH'; take linux/amd64 or linux/arm64" >&2; exit 1 ;;
esac
# The cross compiler of the machine's own architecture is its ordinary one, which the image has.
[ "$triple" != "$(rustc -vV | sed -n 's/^host: //p')" ] || packages=""
apt-get update
# shellcheck disable=SC2086 # a list of names
apt-get install -y --no-install-recommends tzdata $packages
rm -rf /var/lib/apt/lists/*
rustup target add "$triple"
echo "$triple" >/triple
EOF
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target,id=target-$TARGETARCH \
    binary=$(ZAI_EXPORTER_REVISION="$REVISION" deploy/static.sh "$(cat /triple)") && deploy/rootfs.sh "$binary" /rootfs

FROM scratch
ARG VERSION=0.1.0
ARG REVISION=unknown
ARG SOURCE=
LABEL org.opencontainers.image.title="zai-exporter" \
      org.opencontainers.image.description="Prometheus exporter that counts the failed Z.ai / BigModel (GLM) API calls found in client logs" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.source="${SOURCE}"
COPY --from=build /rootfs /
# By number, so that Kubernetes can tell that it is not root (runAsNonRoot).
USER 65534:65534
EXPOSE 10064
ENTRYPOINT ["/usr/bin/zai-exporter"]
# Nothing is written outside of --state.dir: the root file system may be read-only.
CMD ["serve"]
