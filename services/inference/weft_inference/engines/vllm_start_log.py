"""Records what the processes of vLLM raise while it starts.

vLLM's own exception says only that a process failed; why is in that process's log. This module is imported there too,
as a handler of Python's logging, so it imports nothing but the standard library.
"""

import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from copy import deepcopy
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

_CONFIG: Final = "VLLM_LOGGING_CONFIG_PATH"


class RaisedErrors(logging.Handler):
    """Appends to a file, as one line of JSON, each exception that is logged."""

    def __init__(self, path: str) -> None:
        super().__init__(logging.ERROR)
        self._path = path

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if error is None:
            return
        # Once vLLM has started the file is gone. It is not created anew, so nothing more is written.
        with suppress(OSError):
            file = os.open(self._path, os.O_WRONLY | os.O_APPEND)
            try:
                os.write(file, f"{json.dumps(described(error))}\n".encode())
            finally:
                os.close(file)


def described(error: BaseException) -> str:
    """Returns an exception's class and text."""
    return f"{type(error).__name__}: {error}".removesuffix(": ")


@contextmanager
def recorded(default: Mapping[str, Any], arguments: Mapping[str, Any]) -> Iterator[Callable[[], list[str]]]:
    """Yields a function that returns what vLLM's processes have raised so far, the first first.

    `default` is vLLM's configuration of logging, to which a handler is added. Where the operator configured logging, or
    processes may be on other machines, nothing is recorded.
    """
    if _is_configured(arguments) or _is_distributed(arguments):
        yield list
        return
    with TemporaryDirectory(prefix="weft-vllm-") as folder:
        raised = Path(folder, "raised.jsonl")
        raised.touch()
        config = Path(folder, "logging.json")
        config.write_text(json.dumps(_with_handler(default, raised, arguments)), encoding="utf-8")
        os.environ[_CONFIG] = str(config)
        try:
            yield lambda: [json.loads(line) for line in raised.read_text(encoding="utf-8").splitlines()]
        finally:
            os.environ.pop(_CONFIG)


def _is_configured(arguments: Mapping[str, Any]) -> bool:
    own = {"logging_config", "log_config_file"} & arguments.keys()
    return bool(own or os.environ.get(_CONFIG) or os.environ.get("VLLM_CONFIGURE_LOGGING", "1") == "0")


def _is_distributed(arguments: Mapping[str, Any]) -> bool:
    backends = (arguments.get("distributed_executor_backend"), arguments.get("data_parallel_backend"))
    return "ray" in backends or arguments.get("nnodes", 1) > 1


def _with_handler(default: Mapping[str, Any], raised: Path, arguments: Mapping[str, Any]) -> dict[str, Any]:
    config = deepcopy(dict(default))
    config["handlers"]["weft"] = {"()": f"{__name__}.{RaisedErrors.__name__}", "path": str(raised)}
    logger = config["loggers"]["vllm"]
    logger["handlers"] = [*logger["handlers"], "weft"]
    # A configuration of one's own goes before this argument.
    if level := arguments.get("log_level"):
        logger["level"] = config["handlers"]["vllm"]["level"] = level
    return config
