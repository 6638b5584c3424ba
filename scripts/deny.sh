#!/bin/sh
# Holds the dependencies against deny.toml: licences, second versions, sources; and known vulnerabilities, where the database of the
# advisories can be fetched. Where it cannot, that is said, and the exit code is that of the rest.
#
#   scripts/deny.sh [--advisories-required]     with the option, a database that cannot be fetched is a failure
#
# Needs cargo-deny: cargo install --locked cargo-deny
set -eu

cd "$(dirname "$0")/.."
case "${1:-}" in
    '' | --advisories-required) ;;
    *)
        echo "deny.sh: unknown option $1: only --advisories-required is known" >&2
        exit 64
        ;;
esac
if ! cargo deny --version >/dev/null 2>&1; then
    echo "deny.sh: cargo-deny is not installed: cargo install --locked cargo-deny" >&2
    exit 1
fi
cargo deny --locked check licenses bans sources
if cargo deny --locked fetch db; then
    cargo deny --locked --offline check advisories
elif [ -n "${1:-}" ]; then
    echo "deny.sh: the database of advisories cannot be fetched; nothing is known of vulnerabilities" >&2
    exit 1
else
    echo "deny.sh: advisories NOT checked: their database cannot be fetched from here" >&2
fi
