#!/bin/sh
# Installs the systems that `make bench-streams` compares Weft with: bench/durable_streams/install.sh UV PYTHON FOLDER
set -eu
uv=$1 python=$2 venv=$3
here=$(dirname "$0")

if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
    echo "make bench-streams needs Node 20 or later and npm: the reference server of Durable Streams is a Node program." >&2
    echo "Install them, or measure without it: $python -m bench.durable_streams --only weft --only valkey" >&2
    exit 1
fi

"$uv" venv --quiet --allow-existing --python "$python" "$venv"
"$uv" pip install --quiet --python "$venv/bin/python" --require-hashes -r "$here/../../compose/requirements/streams.txt"
# No lock: it would hold the address of the registry. The versions stand in package.json.
npm install --prefix "$here/node" --no-package-lock --no-audit --no-fund --ignore-scripts --loglevel=error
