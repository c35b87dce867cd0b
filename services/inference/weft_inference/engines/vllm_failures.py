"""Why vLLM did not start, and which settings to turn in which direction."""

import re
from collections.abc import Callable, Sequence
from typing import Final

from pydantic import ValidationError

from weft_inference.engines.vllm_start_log import described
from weft_kit.rpc.errors import CannotStart
from weft_kit.shortening import shortened

_MOST_QUOTED = 600
_WINDOW, _SLOTS = "WEFT_INFERENCE_CONTEXT_WINDOW", "WEFT_INFERENCE_SLOTS"
_MORE_CACHE = (
    "raise gpu_memory_utilization (at most 1), or kv_cache_memory_bytes or VLLM_CPU_KVCACHE_SPACE if you set one"
)
_SMALLER_WEIGHTS = 'smaller weights (a model in AWQ or GPTQ, or quantization = "fp8")'
_MORE_GPUS = "split the model over more GPUs (raise tensor_parallel_size)"


def _no_cache(_: re.Match[str]) -> str:
    return (
        f"the model leaves no memory for its KV cache: {_MORE_CACHE}; or take {_SMALLER_WEIGHTS}, a lower"
        f" max_num_batched_tokens or enforce_eager = true; or {_MORE_GPUS}"
    )


def _small_cache(found: re.Match[str]) -> str:
    lower = f"lower {_WINDOW} to {found['fits']} or less" if found["fits"] else f"lower {_WINDOW}"
    return (
        f"the KV cache does not hold one request of the full context window: {lower}; or {_MORE_CACHE}; or set"
        f' kv_cache_dtype = "fp8"; or {_MORE_GPUS}'
    )


def _device_in_use(found: re.Match[str]) -> str:
    # Rounded down, so that the share fits.
    share = int(100 * float(found["free"]) / float(found["total"])) / 100
    return (
        f"less memory is free than vLLM is to take: lower gpu_memory_utilization to {share} or less, or stop what else"
        " uses the device"
    )


def _large_cache(_: re.Match[str]) -> str:
    return (
        "less memory is free than the KV cache is to take: lower kv_cache_memory_bytes (on a CPU also the variable"
        " VLLM_CPU_KVCACHE_SPACE, in GiB), or stop what else uses the memory"
    )


def _out_of_memory(_: re.Match[str]) -> str:
    return (
        f"the device's memory is full: lower {_SLOTS}, max_num_batched_tokens or gpu_memory_utilization, which leaves"
        f" more room beside the KV cache, set enforce_eager = true, take {_SMALLER_WEIGHTS}, {_MORE_GPUS}, or stop what"
        " else uses the device"
    )


_GIB: Final = r"\((?P<free>[\d.]+)/(?P<total>[\d.]+) GiB\)"
# vLLM's texts, the most exact first.
_OUT_OF_MEMORY: Final[Sequence[tuple[re.Pattern[str], Callable[[re.Match[str]], str]]]] = (
    (re.compile(r"No available memory for the cache blocks"), _no_cache),
    (re.compile(r"larger than the available KV cache memory.*?(?:model length is (?P<fits>\d+)|$)"), _small_cache),
    (re.compile(rf"{_GIB} on startup is less than desired \w+ memory utilization"), _device_in_use),
    (re.compile(r"is less than requested memory for kv"), _large_cache),
    (re.compile(r"out of memory|OutOfMemoryError", re.IGNORECASE), _out_of_memory),
)


def cannot_start(error: Exception, raised: Sequence[str]) -> CannotStart:
    """Returns what to tell the operator of a failed start: the cause, and what to do.

    `raised` is what vLLM's processes raised; its first entry is the cause of all that follow.
    """
    causes = [" ".join(cause.split()) for cause in (*raised, *_chain(error))]
    for cause in causes:
        for pattern, remedy in _OUT_OF_MEMORY:
            if found := pattern.search(cause):
                return CannotStart(f"vLLM cannot start: {remedy(found)}. vLLM says: {shortened(cause, _MOST_QUOTED)}")
    if isinstance(error, ValidationError):
        return CannotStart(f"vLLM refuses its arguments; mend [engine.vllm]: {_mistakes(error)}")
    hint = "" if raised else "; vLLM's log above may say more"
    return CannotStart(f"vLLM cannot start: {shortened(causes[0], _MOST_QUOTED)}{hint}")


def _chain(error: BaseException | None) -> list[str]:
    """Returns an exception and those that it followed from."""
    chain = []
    while error:
        chain.append(described(error))
        error = error.__cause__ or error.__context__
    return chain


def _mistakes(error: ValidationError) -> str:
    lines = []
    for one in error.errors():
        place = ".".join(map(str, one["loc"]))
        message = one["msg"].removeprefix("Value error, ")
        lines.append(f"{place}: {message} (found: {one['input']!r})" if place else message)
    return shortened("; ".join(lines), _MOST_QUOTED)
