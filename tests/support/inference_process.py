"""The real inference service in a process of its own, with the real embedder and no model to generate with."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc

from weft_compose.ports import LOOPBACK, free_ports


@dataclass(frozen=True)
class InferenceProcess:
    target: str
    process: subprocess.Popen[bytes]


@contextmanager
def inference_process(folder: Path) -> Iterator[InferenceProcess]:
    """Runs the service while entered, and gives it once it can be reached."""
    target = f"{LOOPBACK}:{free_ports(1)[0]}"
    told = {"LISTEN": target, "ENGINE": "echo", "STATE_DIR": str(folder)}
    environment = os.environ | {f"WEFT_INFERENCE_{name}": value for name, value in told.items()}
    process = subprocess.Popen([sys.executable, "-m", "weft_inference"], env=environment)
    try:
        with grpc.insecure_channel(target) as channel:
            grpc.channel_ready_future(channel).result(timeout=60)
        yield InferenceProcess(target, process)
    finally:
        process.terminate()
        process.wait()
