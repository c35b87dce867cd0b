PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
PROTOS := $(shell find protos -name '*.proto')

protos: $(VENV)/dev.stamp ## regenerate the stubs in libs/weft_protos
	rm -rf libs/weft_protos/weft && mkdir -p libs/weft_protos
	$(BIN)/python -m grpc_tools.protoc -I protos --python_out=libs/weft_protos --grpc_python_out=libs/weft_protos \
		--mypy_out=quiet:libs/weft_protos --mypy_grpc_out=quiet:libs/weft_protos $(PROTOS)
