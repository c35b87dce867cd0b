"""Decodes recorded streams of real providers, however their bytes are cut: `python -m bench.recordings PATH`.

PATH has a folder for each provider (`openai_python`, `anthropic_sdk`, `google`) and `error_literals.jsonl`. Each stream
is cut into pieces of 1, 7 and 97 bytes and left whole, with line ends LF, CRLF and CR: all twelve must give the same.
"""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from weft.common.v1 import chat_pb2, error_pb2
from weft.inference.v1 import inference_pb2
from weft.job.v1 import event_pb2
from weft_router.job.transcript import AnswerSoFar
from weft_router.providers.anthropic.messages_answer import MessagesAnswer
from weft_router.providers.gemini.answer import GenerateContentAnswer
from weft_router.providers.openai.chat_answer import ChatAnswer
from weft_router.providers.provider import ProviderError
from weft_router.providers.refusals.errors import ProviderAccess, error_in_stream, refusal
from weft_router.providers.stream_reader import Answer, StreamReader

_ANSWERS: dict[str, Callable[[], Answer]] = {
    "openai_python": ChatAnswer,
    "anthropic_sdk": MessagesAnswer,
    "google": GenerateContentAnswer,
}
_SIZES = (1, 7, 97, 1 << 30)
_NEWLINES = (b"\n", b"\r\n", b"\r")


def main() -> None:
    folder = Path(sys.argv[1])
    differing = _streams(folder)
    _errors(folder)
    sys.exit(differing)


def _streams(folder: Path) -> int:
    print(f"{'stream':56} {'text':>6} {'reason.':>7} {'calls':>5} {'tokens':>6}  {'usage':18} end")
    differing = count = 0
    for provider, name, raw in _recorded(folder):
        found = [_decoded(_ANSWERS[provider](), raw, size, newline) for newline in _NEWLINES for size in _SIZES]
        same = all(other == found[0] for other in found)
        count, differing = count + 1, differing + (not same)
        print(f"{f'{provider}/{name}':56} {found[0]}{'' if same else '  DIFFERS'}")
    ways = len(_SIZES) * len(_NEWLINES)
    print(f"{count} streams, each decoded in {ways} ways; {differing} differ\n")
    return differing


def _recorded(folder: Path) -> Iterator[tuple[str, str, bytes]]:
    for provider in _ANSWERS:
        for path in sorted((folder / provider).iterdir()):
            raw = path.read_bytes().replace(b"\r\n", b"\n")
            if path.name.endswith(".chunks.txt"):  # the data of one event per line, without its framing
                yield provider, path.name, b"".join(b"data: " + line + b"\n\n" for line in raw.splitlines() if line)
            elif path.suffix in {".sse", ".txt"}:
                yield provider, path.name, raw


def _decoded(answer: Answer, raw: bytes, size: int, newline: bytes) -> str:
    raw = raw.replace(b"\n", newline)
    reading, said, finished = StreamReader(answer), AnswerSoFar(), None
    try:
        pieces = [reading.read(raw[start : start + size]) for start in range(0, len(raw), size)]
        for step in [step for steps in (*pieces, reading.end()) for step in steps]:
            if isinstance(step, event_pb2.Delta):
                said.add(step)
            elif isinstance(step, inference_pb2.Finished):
                finished = step
    except ProviderError as error:
        return f"refused: {error.message}"
    if call := said.cut_off_call():
        return f"refused: the arguments of its call to {call} are cut off"
    return _shown(said, finished) if finished else "no end"


def _shown(said: AnswerSoFar, finished: inference_pb2.Finished) -> str:
    usage = finished.usage
    counts = f"{usage.prompt_tokens}+{usage.completion_tokens}"
    details = f"{usage.cached_prompt_tokens}c {usage.reasoning_tokens}r"
    reason = chat_pb2.FinishReason.Name(finished.finish_reason).removeprefix("FINISH_REASON_")
    return (
        f"{len(said.text):6} {len(said.reasoning):7} {len(said.tool_calls):5} {said.token_count:6}  "
        f"{counts:9} {details:8} {reason} ({finished.raw_finish_reason})"
    )


def _errors(folder: Path) -> None:
    print(f"{'error':44} {'reason':12} {'remedy':16} wait")
    literals = [json.loads(line) for line in (folder / "error_literals.jsonl").read_text("utf-8").splitlines()]
    retry_info = json.loads((folder / "google/google-429-retry-info.json").read_text("utf-8"))
    literals.append({"provider": "google", "status": 429, "kind": "http", "body": retry_info})
    for literal in literals:
        body = literal["body"]
        if literal["kind"] == "http":
            error = refusal(literal["status"], literal.get("headers", {}), json.dumps(body).encode(), ProviderAccess())
        else:
            error = error_in_stream(body)
        reason = error_pb2.ErrorReason.Name(error.reason).removeprefix("ERROR_REASON_PROVIDER_")
        label = f"{literal['provider']} {literal['status']} {literal['kind']}"
        wait = "-" if error.retry_after_s is None else f"{error.retry_after_s:g} s"
        print(f"{label:44} {reason:12} {error.remedy.name:16} {wait}")


if __name__ == "__main__":
    main()
