"""Decides, by the rules of its alias, whether a cheap answer is good enough."""

import re
from collections.abc import Sequence

from weft_kit.catalog.routing import Escalation
from weft_router.job.transcript import AnswerSoFar
from weft_router.validation.response_format import FormatFault

_OPENING_CHARACTERS = 400


def shortcoming(rule: Escalation, said: AnswerSoFar, fault: FormatFault | None = None) -> str | None:
    """Returns what is wrong with an answer, in a few words; None if it may be kept. Tool calls always may.

    `fault` is how it violates the requested format, if the rule considers that.
    """
    if said.tool_calls:
        return None
    text = said.text.strip()
    if len(text) < rule.shorter_than:
        return f"shorter than {rule.shorter_than} characters"
    if _refuses(text[:_OPENING_CHARACTERS], rule.refusals):
        return "a refusal"
    return f"not of its form: it {fault.what}" if fault else None


def _refuses(opening: str, patterns: Sequence[str]) -> bool:
    return any(re.search(pattern, opening, re.IGNORECASE) for pattern in patterns)
