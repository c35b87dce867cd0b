#!/bin/sh
# Makes base images where no image registry can be reached; needs root, debootstrap and a Docker engine:
#   weft-base        Debian 12 with its Python
#   weft-build-base  the same with this machine's certificates, for package indexes that need them
# Arguments are passed to debootstrap: compose/base_image.sh [MIRROR]
set -eu
folder=$(mktemp -d)
trap 'rm -rf --one-file-system "$folder"' EXIT

debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates bookworm "$folder/base" "$@" >"$folder/log" ||
    { tail -n 20 "$folder/log" >&2; exit 1; }
rm -rf "$folder"/base/var/cache/apt/* "$folder"/base/var/lib/apt/lists/*
tar -C "$folder/base" -c . | docker import - weft-base

mkdir "$folder/certificates"
cp -L /etc/ssl/certs/ca-certificates.crt "$folder/certificates"
docker build --quiet --tag weft-build-base --file - "$folder/certificates" <<'END'
FROM weft-base
COPY ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
ENV PIP_CERT=/etc/ssl/certs/ca-certificates.crt
END
echo "made weft-base and weft-build-base: make image BASE=weft-base BUILD_BASE=weft-build-base"
