"""The kinds of refusals, the consequences of each, and how to recognise one."""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from weft.common.v1 import error_pb2
from weft_kit.rpc.errors import Reason
from weft_router.providers.provider import Remedy

_ERROR = error_pb2.ERROR_REASON_PROVIDER_ERROR
_OVERLOADED = error_pb2.ERROR_REASON_PROVIDER_OVERLOADED
_REJECTED = error_pb2.ERROR_REASON_PROVIDER_REJECTED
_TIMEOUT = error_pb2.ERROR_REASON_PROVIDER_TIMEOUT
_UNSUPPORTED = error_pb2.ERROR_REASON_UNSUPPORTED
_ANSWER_INVALID = error_pb2.ERROR_REASON_ANSWER_INVALID


@dataclass(frozen=True, slots=True)
class RefusalKind:
    """What refusals of one kind mean, and what the operator or caller can do; `{key}` is the place of the key."""

    meaning: str
    reason: Reason
    remedy: Remedy
    advice: str = ""
    is_quoted: bool = True
    """Whether the provider's words may be shown: those about a key may quote it."""


POLICY = RefusalKind("the content is against the provider's rules", _REJECTED, Remedy.NOTHING, "change the prompt")
INVALID_ANSWER = RefusalKind(
    "the model wrote a call or JSON that its provider refuses", _ANSWER_INVALID, Remedy.ANOTHER_TRY, "simplify the form"
)
TOO_LONG = RefusalKind(
    "too long for the model, or for its limit of a minute",
    _REJECTED,
    Remedy.ANOTHER_ROUTE,
    "shorten it, or add a route with more room",
)
MAX_TOKENS = RefusalKind(
    "max_tokens is more than the model can write",
    _UNSUPPORTED,
    Remedy.ANOTHER_ROUTE,
    "lower it, or the alias's max_output_tokens",
)
MISSING = RefusalKind(
    "the model or its server lacks what was asked for: a parameter, images, tools, a schema",
    _UNSUPPORTED,
    Remedy.ANOTHER_ROUTE,
    "leave it out, or add a route that has it",
)
MODEL = RefusalKind(
    "the model is gone, unknown, or closed to this account",
    _ERROR,
    Remedy.ANOTHER_ROUTE,
    "check base_url and the route's model",
)
QUOTA = RefusalKind(
    "a quota of days or money is used up", _OVERLOADED, Remedy.ANOTHER_PROVIDER, "check the provider's quota"
)
BILL = RefusalKind("the account has no credit", _ERROR, Remedy.ANOTHER_PROVIDER, "check the provider's bill")
ACCOUNT = RefusalKind(
    "the account or organization is disabled", _ERROR, Remedy.ANOTHER_PROVIDER, "check the account with the provider"
)
KEY = RefusalKind("the key is not accepted", _ERROR, Remedy.ANOTHER_PROVIDER, "check {key}", is_quoted=False)
FORBIDDEN = RefusalKind(
    "the key may not do this", _ERROR, Remedy.ANOTHER_PROVIDER, "check what {key} allows", is_quoted=False
)
PLACE = RefusalKind(
    "not served to this country or account", _ERROR, Remedy.ANOTHER_PROVIDER, "check where the provider may be used"
)
ADDRESS = RefusalKind(
    "something else than the provider's API answers", _ERROR, Remedy.ANOTHER_PROVIDER, "check base_url and the network"
)
LIMIT = RefusalKind(
    "a limit of rate or concurrency, or no capacity, or the model loads", _OVERLOADED, Remedy.ANOTHER_TRY
)
TIMEOUT = RefusalKind("the provider took too long", _TIMEOUT, Remedy.ANOTHER_TRY)
FAILED = RefusalKind("the provider failed", _ERROR, Remedy.ANOTHER_TRY)
UNKNOWN = RefusalKind(
    "not known: the request may be wrong, or only this provider's rules",
    _REJECTED,
    Remedy.NEXT_ROUTE,
    "change the request, or add a route that takes it",
)


@dataclass(frozen=True, slots=True)
class RefusalRow:
    """One way in which `who` refuses, and the public page that describes it."""

    kind: RefusalKind
    who: str
    source: str
    status: frozenset[int]
    words: frozenset[str]
    text: re.Pattern[str] | None

    def fits(self, status: int, words: Collection[str], text: str) -> bool:
        return (
            (not self.status or status in self.status)
            and (not self.words or not self.words.isdisjoint(words))
            and (self.text is None or self.text.search(text) is not None)
        )

    @classmethod
    def of(
        cls, kind: RefusalKind, who: str, source: str, *, status: Iterable[int] = (), words: str = "", text: str = ""
    ) -> "RefusalRow":
        """Returns a row; `words` are separated by blanks."""
        # Repetitions in patterns are bounded, so matching takes linear time even on a hostile text.
        pattern = re.compile(text, re.IGNORECASE) if text else None
        return cls(kind, who, source, frozenset(status), frozenset(words.casefold().split()), pattern)
