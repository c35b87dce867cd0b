"""A batch as a file: one request a line."""

import json
from collections.abc import Iterable

from google.protobuf.json_format import ParseDict, ParseError

from weft.gateway.v1 import gateway_pb2 as pb
from weft.job.v1 import job_pb2
from weft_client.requests import chat


def read_batch(lines: Iterable[str], batch: str = "") -> dict[int, pb.SubmitJobRequest]:
    """Reads requests by the number of their line, from 1; empty lines are skipped.

    Args:
        lines: each a GenerationRequest in proto JSON, or {"prompt": …} with any of ChatOptions.
        batch: begins the request ids, so that the same lines of the same batch are the same jobs.

    Raises:
        ValueError: a line is neither; names it.
    """
    requests: dict[int, pb.SubmitJobRequest] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            request = _request(json.loads(line))
        except (ValueError, TypeError, ParseError) as error:
            raise ValueError(f"line {number} is no request: {error}") from None
        requests[number] = pb.SubmitJobRequest(request_id=f"{batch}-{number}" if batch else "", request=request)
    return requests


def _request(said: object) -> job_pb2.GenerationRequest:
    if not isinstance(said, dict):
        raise TypeError("it is no JSON object")
    if "prompt" not in said:
        return ParseDict(said, job_pb2.GenerationRequest())
    return chat(**said)
