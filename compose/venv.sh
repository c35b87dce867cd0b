#!/bin/sh
# Makes the environment that everything is installed into: compose/venv.sh make FOLDER [PYTHON]
# Checks that it exists and works:                         compose/venv.sh check FOLDER [PYTHON]
# Without PYTHON, any that is new enough will do.
set -eu
verb=$1 folder=$2 python=${3:-}
needs="Weft needs Python 3.11 or newer"
remedy="On Debian 12, Ubuntu 24.04 or newer: apt-get install python3 python3-venv
Or name one that is elsewhere: make setup PYTHON=/path/to/python3.11"

fail() {
    printf '%s\n%s\n' "$1" "$remedy" >&2
    exit 1
}

# Both go by what is printed, not by the exit status: any program may exit with 0.
version() {
    "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null | grep -x '[0-9]*\.[0-9]*'
}

new_enough() {
    [ "$("$1" -c 'import sys; print(sys.version_info >= (3, 11))' 2>/dev/null)" = True ]
}

choose() {
    for python in python3.11 python3.12 python3.13 python3; do
        new_enough "$python" && return
    done
    found=$(version python3) || fail "$needs, and no python3 is on the PATH."
    fail "$needs; python3 is Python $found."
}

# uv is installed last, so an incomplete environment has none, or one that does not run.
is_sound() {
    new_enough "$folder/bin/python" && "$folder/bin/uv" --version >/dev/null 2>&1 || return 1
    [ -z "$python" ] || [ "$(version "$python")" = "$(version "$folder/bin/python")" ]
}

make_anew() {
    [ -n "$python" ] || choose
    found=$(version "$python") || fail "$needs; $python is no Python that runs."
    new_enough "$python" || fail "$needs; $python is Python $found."
    "$python" -c 'import ensurepip, venv' 2>/dev/null ||
        fail "$python is Python $found, but makes no virtual environments: its package python$found-venv is missing."
    echo "setting up $folder with Python $found (once)"
    rm -rf "$folder"
    "$python" -m venv "$folder"
    "$folder/bin/python" -m pip install -qq --disable-pip-version-check uv==0.13.9
}

case $verb in
check) is_sound ;;
make) make_anew ;;
esac
