#!/usr/bin/env bash
# Writes requirements.txt and requirements-slim.txt, with hashes, after a change of setup.py or of the lists here.
#   docker/compile.sh
# Versions that are there stay; --upgrade takes the newest that setup.py allows. Workers and the machine that starts jobs
# need the same ones.
set -euo pipefail
cd "$(dirname "$0")"
PATH=../.venv/bin:$PATH  # which has uv
compile=(uv pip compile --quiet --generate-hashes --no-header --no-annotate --python-version=3.11 --python-platform=x86_64-manylinux_2_36)
"${compile[@]}" ../setup.py buckets.in --output-file=requirements.txt "$@"
# tensorflow-cpu has tensorflow's version; constraints take no hashes.
sed -E -e 's/ \\$//' -e '/^ +--hash/d' -e 's/^tensorflow==/tensorflow-cpu==/' requirements.txt >constraints.tmp
trap 'rm -f constraints.tmp' EXIT
"${compile[@]}" slim.in --constraint=constraints.tmp --output-file=requirements-slim.txt "$@"
