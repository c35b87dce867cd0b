"""A failed start of vLLM is told with its cause and what to change, a good one with what fits."""

import json
import logging
import logging.config
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from pydantic import BaseModel, Field, ValidationError

from weft_inference.engines.vllm import report
from weft_inference.engines.vllm_failures import cannot_start
from weft_inference.engines.vllm_start_log import recorded

# As vLLM 0.32 words them.
NO_CACHE = (
    "ValueError: No available memory for the cache blocks. Try increasing `gpu_memory_utilization` when initializing"
    " the engine (this flag also controls CPU memory reservation on the CPU backend, despite its name)."
)
SMALL_CACHE = (
    "ValueError: To serve at least one request with the model's max seq len (32768), (4.0 GiB KV cache is needed, which"
    " is larger than the available KV cache memory (1.5 GiB). Based on the available memory, the estimated maximum"
    " model length is 12288. Try increasing `gpu_memory_utilization` (which also controls CPU memory on the CPU"
    " backend) or decreasing `max_model_len` when initializing the engine."
)
IN_USE = (
    "ValueError: Free memory on device cuda:0 (31.5/79.1 GiB) on startup is less than desired GPU memory utilization"
    " (0.9, 71.19 GiB). Decrease GPU memory utilization or reduce GPU memory used by other processes."
)
IN_USE_ON_CPU = (
    "ValueError: Available memory on node 0 (3.0/24.0 GiB) on startup is less than desired CPU memory utilization (0.9,"
    " 21.6 GiB)."
)
LARGE_CACHE = (
    "ValueError: Available memory on node 0 (3.0/24.0 GiB) on kv cache allocation is less than requested memory for kv"
    " (40.0 GiB). Decrease --kv-cache-memory-bytes, VLLM_CPU_KVCACHE_SPACE, or reduce CPU memory used by others."
)
FULL = "OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.10 GiB"
WARMING_UP = (
    "RuntimeError: CUDA out of memory occurred when warming up sampler with 256 dummy requests. Please try lowering"
    " `max_num_seqs` or `gpu_memory_utilization` when initializing the engine."
)
PROCESS_FAILED = RuntimeError("Engine core initialization failed. See root cause above. Failed core proc(s): {}")


@pytest.mark.parametrize(
    ("cause", "advice", "numbers"),
    [
        (NO_CACHE, "raise gpu_memory_utilization (at most 1), or kv_cache_memory_bytes", ""),
        (SMALL_CACHE, "lower WEFT_INFERENCE_CONTEXT_WINDOW to 12288 or less; or raise gpu_memory", "1.5 GiB"),
        (IN_USE, "lower gpu_memory_utilization to 0.39 or less, or stop what else uses the device", "31.5/79.1 GiB"),
        (IN_USE_ON_CPU, "lower gpu_memory_utilization to 0.12 or less", "3.0/24.0 GiB"),
        (LARGE_CACHE, "lower kv_cache_memory_bytes (on a CPU also the variable VLLM_CPU_KVCACHE_SPACE", "40.0 GiB"),
        (FULL, "lower WEFT_INFERENCE_SLOTS, max_num_batched_tokens or gpu_memory_utilization", "2.00 GiB"),
        (WARMING_UP, "lower WEFT_INFERENCE_SLOTS, max_num_batched_tokens or gpu_memory_utilization", "256"),
    ],
)
def test_out_of_memory_is_told_with_what_to_turn_and_vllms_numbers(cause: str, advice: str, numbers: str) -> None:
    told = str(cannot_start(PROCESS_FAILED, [cause, "Exception: WorkerProc initialization failed"]))
    assert told.startswith("vLLM cannot start: ")
    assert advice in told
    assert numbers in told.partition("vLLM says: ")[2]
    assert "\n" not in told


def test_a_window_that_fits_nowhere_is_lowered_without_a_number() -> None:
    told = str(cannot_start(PROCESS_FAILED, [SMALL_CACHE.replace("Based on the available memory, the estimated", "")]))
    assert "lower WEFT_INFERENCE_CONTEXT_WINDOW" in told


def test_another_failure_is_told_with_its_first_cause() -> None:
    raised = ["ValueError: no such\n  architecture", "Exception: WorkerProc initialization failed"]
    assert str(cannot_start(PROCESS_FAILED, raised)) == "vLLM cannot start: ValueError: no such architecture"


def test_where_nothing_was_recorded_the_log_is_named() -> None:
    told = str(cannot_start(PROCESS_FAILED, []))
    assert told.startswith("vLLM cannot start: RuntimeError: Engine core initialization failed.")
    assert told.endswith("; vLLM's log above may say more")


def test_a_cause_in_the_chain_of_exceptions_is_found() -> None:
    error = RuntimeError("failed")
    error.__cause__ = ValueError(NO_CACHE)
    assert "raise gpu_memory_utilization" in str(cannot_start(error, []))


def test_arguments_that_vllm_refuses_are_told_by_name() -> None:
    class CacheConfig(BaseModel):
        gpu_memory_utilization: float = Field(le=1)
        block_size: int = Field(ge=1)

    with pytest.raises(ValidationError) as refused:
        CacheConfig(gpu_memory_utilization=3, block_size=0)
    assert str(cannot_start(refused.value, [])) == (
        "vLLM refuses its arguments; mend [engine.vllm]: gpu_memory_utilization: Input should be less than or equal to"
        " 1 (found: 3); block_size: Input should be greater than or equal to 1 (found: 0)"
    )


LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"vllm": {"class": "logging.NullHandler", "level": "INFO"}},
    "loggers": {"vllm": {"handlers": ["vllm"], "level": "INFO", "propagate": False}},
}


@pytest.fixture(autouse=True)
def as_it_was(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("VLLM_LOGGING_CONFIG_PATH", raising=False)
    yield
    logging.getLogger("vllm").handlers.clear()


def configure_as_vllm_does() -> None:
    config = Path(os.environ["VLLM_LOGGING_CONFIG_PATH"]).read_text(encoding="utf-8")
    logging.config.dictConfig(json.loads(config))


def log_failure(text: str) -> None:
    logging.getLogger("vllm.engine").error("EngineCore failed to start.", exc_info=ValueError(text))


def test_exceptions_in_vllms_log_are_recorded_until_it_has_started() -> None:
    with recorded(LOGGING, {}) as raised:
        configure_as_vllm_does()
        logging.getLogger("vllm.engine").error("no exception")
        log_failure("the first\nof two")
        log_failure("the second")
        assert raised() == ["ValueError: the first\nof two", "ValueError: the second"]
    log_failure("much later")
    assert "VLLM_LOGGING_CONFIG_PATH" not in os.environ
    assert LOGGING["loggers"]["vllm"]["handlers"] == ["vllm"]


def test_the_level_that_was_asked_for_stays() -> None:
    with recorded(LOGGING, {"log_level": "ERROR"}) as raised:
        configure_as_vllm_does()
        assert logging.getLogger("vllm").level == logging.ERROR
        log_failure("told")
        assert raised() == ["ValueError: told"]


@pytest.mark.parametrize(
    "arguments",
    [{"logging_config": {}}, {"log_config_file": "x"}, {"distributed_executor_backend": "ray"}, {"nnodes": 2}],
)
def test_logging_of_the_operators_own_and_other_machines_are_left_alone(arguments: dict[str, object]) -> None:
    with recorded(LOGGING, arguments) as raised:
        assert "VLLM_LOGGING_CONFIG_PATH" not in os.environ
        assert raised() == []


def test_a_configuration_of_the_operators_own_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLLM_LOGGING_CONFIG_PATH", "own.json")
    with recorded(LOGGING, {}):
        assert os.environ["VLLM_LOGGING_CONFIG_PATH"] == "own.json"
    assert os.environ["VLLM_LOGGING_CONFIG_PATH"] == "own.json"


def test_the_report_says_what_the_engine_holds() -> None:
    cache = SimpleNamespace(
        num_gpu_blocks=364, block_size=128, kv_cache_size_tokens=46_592, kv_cache_max_concurrency=45.501
    )
    model = SimpleNamespace(dtype="torch.bfloat16", quantization=None, max_model_len=1024)
    assert report(SimpleNamespace(cache_config=cache, model_config=model), "m") == {
        "model": "m",
        "dtype": "bfloat16",
        "quantization": "none",
        "kv_cache_blocks": 364,
        "kv_cache_block_size": 128,
        "kv_cache_tokens": 46_592,
        "context_window": 1024,
        "full_windows_at_once": 45.5,
    }


def test_the_report_leaves_out_what_vllm_does_not_say() -> None:
    cache = SimpleNamespace(
        num_gpu_blocks=None, block_size=None, kv_cache_size_tokens=None, kv_cache_max_concurrency=None
    )
    model = SimpleNamespace(dtype="half", quantization="fp8", max_model_len=8)
    told = report(SimpleNamespace(cache_config=cache, model_config=model), "m")
    assert told == {"model": "m", "dtype": "half", "quantization": "fp8", "context_window": 8}
