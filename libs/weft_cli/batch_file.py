"""A batch as a file: one request per line."""

import json
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, get_type_hints

from google.protobuf.json_format import ParseDict, ParseError
from pydantic import ConfigDict, TypeAdapter, ValidationError

from weft.gateway.v1 import gateway_pb2 as pb
from weft.job.v1 import job_pb2
from weft_client.requests import ChatOptions, chat

_OWN_FIELDS = frozenset({"prompt", "request_id"})


def read_batch(lines: Iterable[str], batch: str = "") -> dict[int, pb.SubmitJobRequest]:
    """Returns the requests by line number, from 1; empty lines are skipped.

    Args:
        lines: each is a GenerationRequest as proto JSON, or {"prompt": …} with any of ChatOptions; both may have a
            "request_id".
        batch: begins the request ids of the other lines, so that the same line of the same batch is the same job.

    Raises:
        ValueError: a line is neither; the error names it.
    """
    requests: dict[int, pb.SubmitJobRequest] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            submission = _submission(json.loads(line))
        except (ValueError, TypeError, OSError) as error:
            raise ValueError(f"line {number} is no request: {error}") from None
        if batch and not submission.request_id:
            submission.request_id = f"{batch}-{number}"
        requests[number] = submission
    return requests


def _submission(said: object) -> pb.SubmitJobRequest:
    if not isinstance(said, dict):
        raise TypeError("it is no JSON object")
    for name in _OWN_FIELDS & said.keys():
        if not isinstance(said[name], str):
            raise TypeError(f"{name}: must be a text; it is {json.dumps(said[name])}")
    rest = {name: value for name, value in said.items() if name not in _OWN_FIELDS}
    return pb.SubmitJobRequest(request_id=said.get("request_id", ""), request=_request(said.get("prompt"), rest))


def _request(prompt: str | None, said: Mapping[str, Any]) -> job_pb2.GenerationRequest:
    if prompt is None:
        try:
            return ParseDict(dict(said), job_pb2.GenerationRequest())
        except ParseError as wrong:
            # The message would otherwise list every field there is.
            raise ValueError(f'it has no "prompt", and as proto JSON: {str(wrong).splitlines()[0]}') from None
    kinds = _kinds()
    for name, value in said.items():
        if name in kinds:
            _check(name, value, kinds[name])
    return chat(prompt, **said)


def _check(name: str, value: object, kind: TypeAdapter[Any]) -> None:
    try:
        kind.validate_python(value, strict=True)
    except ValidationError as wrong:
        first = wrong.errors(include_url=False)[0]
        # Inside a value, pydantic's path also names the types it tried, which are not in the file.
        steps = [str(step) for step in first["loc"] if isinstance(value, (dict, list)) and "[" not in str(step)]
        place = ".".join([name, *steps])
        raise ValueError(f"{place}: {first['msg']}; it is {json.dumps(first['input'])}") from None


@cache
def _kinds() -> dict[str, TypeAdapter[Any]]:
    """Returns the type of each option."""
    loose = ConfigDict(arbitrary_types_allowed=True)
    return {name: TypeAdapter(kind, config=loose) for name, kind in get_type_hints(ChatOptions).items()}
