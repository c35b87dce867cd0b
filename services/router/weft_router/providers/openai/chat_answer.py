"""Reads the answers of OpenAI's chat completions, from the many servers that speak them: chunks, then an end marker."""

from collections.abc import Collection
from typing import Any

from weft.inference.v1 import inference_pb2
from weft_router.providers import counts, fields, finish_reasons
from weft_router.providers.openai.chat_tool_calls import ChatCalls
from weft_router.providers.openai.reasoning import Thoughts
from weft_router.providers.provider import broken
from weft_router.providers.refusals.error_bodies import is_error
from weft_router.providers.refusals.errors import error_in_stream
from weft_router.providers.stream_reader import Answer

# Several names for the same field; servers that changed its name send both for a while.
_REASONING = ("reasoning_content", "reasoning", "thinking")


class ChatAnswer(Answer):
    """Reads chunks until the end marker, only their first choice. `tools` are the names of the tools offered."""

    end_marker = "[DONE]"

    def __init__(self, tools: Collection[str] = (), source: str = "") -> None:
        super().__init__(counts.openai(), source)
        self._thoughts = Thoughts()
        self._chat_calls = ChatCalls(self.calls, tools)
        self._goes_on = False
        """Whether something came after a finish reason, which then does not prove the end."""
        self._has_messages = False
        """Whether messages came in place of deltas."""

    def event(self, event: dict[str, Any]) -> bool:
        if usage := event.get("usage"):
            self.count(usage)
        choices = event.get("choices")
        if "error" in event or type(choices) is not list or "x_groq" in event:
            choices = self._odd(event)
        for choice in choices:
            if type(choice) is not dict or not (choice.get("index") == 0 or _is_first(choice, choices)):
                continue
            delta, may_be_last = choice.get("delta"), choice.get("finish_reason") is not None or self.raw_finish_reason
            if may_be_last or type(delta) is not dict or not delta:
                self._delta(self._ending(choice))
            elif len(delta) == 1 and type(text := delta.get("content")) is str and text:  # as in nearly every chunk
                self.said.token_count += 1
                self.texts.append(text)
            else:
                self._delta(delta)
        return False

    def body_ended(self) -> None:
        """Takes in the end of the body, which is the answer's end if a finish reason came and nothing after it."""
        if self._goes_on:
            raise broken("ended its stream without the end marker")
        super().body_ended()

    def _odd(self, event: dict[str, Any]) -> list[Any]:
        """Returns the choices of an event that has other contents, or choices of another form.

        Raises:
            ProviderError: it reports an error, or its choices cannot be read.
        """
        groq, choices = fields.mapping(event, "x_groq"), event.get("choices")
        self.count(groq.get("usage"))
        if groq.get("error"):
            raise error_in_stream({"error": groq["error"]})
        if (event.get("error") or event.get("base_resp") or not choices) and is_error(event):
            raise error_in_stream(event)
        if isinstance(choices, list) or not choices:
            return choices or []
        if isinstance(choices, dict):
            return [choices] if choices.keys() & {"delta", "message", "text"} else list(choices.values())
        raise fields.unreadable("choices", choices, "a list")

    def _ending(self, choice: dict[str, Any]) -> dict[str, Any]:
        """Returns the delta of a choice that may be the last, carry usage or an error, or be a whole message."""
        self.count(choice.get("usage"))
        if choice.get("error") and is_error(choice):
            raise error_in_stream(choice)
        delta = choice.get("delta")
        if not delta:
            delta = self._message(choice) or {"content": choice.get("text")}
        if not isinstance(delta, dict):
            delta = {"content": delta}
        if self.raw_finish_reason and (delta.get("content") or _calls(delta)):
            self._goes_on = True
        self._end(choice)
        if self.raw_finish_reason and not _calls(delta):
            # Some servers send calls, or their arguments, only in the whole message that ends the stream.
            whole = _calls(fields.mapping(choice, "message"))
            self._chat_calls.complete(whole) if self.calls else self._take(whole)
        return delta

    def _end(self, choice: dict[str, Any]) -> None:
        """Takes in a finish reason. OpenRouter also passes on that of the server that it called."""
        word, native = (finish_reasons.said(choice.get(name)) for name in ("finish_reason", "native_finish_reason"))
        if native and finish_reasons.tells_more(native):
            word = native
        self.raw_finish_reason = word or self.raw_finish_reason or word

    def _message(self, choice: dict[str, Any]) -> Any:
        """Returns the message of a choice without a delta; None after deltas, which it would repeat."""
        self._has_messages |= not (self.has_said or self.said.token_count)
        return choice.get("message") if self._has_messages else None

    def _delta(self, delta: dict[str, Any]) -> None:
        content = delta.get("content")
        refusal, calls = fields.text(delta, "refusal", "delta.refusal"), _calls(delta)
        reasoning = _reasoning(delta)
        self._thoughts.add(delta)
        if not (content or refusal or calls or reasoning):
            return
        self.said.token_count += 1
        self.reasoning.append(reasoning)
        self._content(content)
        if refusal:
            self.refused = True
            self.texts.append(refusal)
        self._take(calls)

    def finish(self) -> inference_pb2.Finished:
        """Returns the end, and passes on the state of the calls, some of which comes after them."""
        finished = super().finish()
        self.said.tool_calls.extend(self._thoughts.states(len(self.calls), self.source))
        return finished

    def _take(self, calls: list[dict[str, Any]]) -> None:
        for piece in calls:
            self._thoughts.add_call(self._chat_calls.take(piece).index, piece)

    def _content(self, content: Any) -> None:
        """Takes in text, or parts; parts that are not text, such as images and references, are left out."""
        match content:
            case None:
                pass
            case str():
                self.texts.append(content)
            case list():
                for part in content:
                    self._content(part)
            case {"type": "thinking" | "reasoning"}:
                self.reasoning.append(fields.thoughts(content, "delta.content"))
            case {"refusal": str(refusal)}:
                self.refused = True
                self.texts.append(refusal)
            case {"text": text}:
                self._content(text)
            case {"type": str()}:
                pass
            case _:
                raise fields.unreadable("delta.content", content, "text")


def _reasoning(delta: dict[str, Any]) -> str:
    for name in _REASONING:
        if found := delta.get(name):
            return fields.thoughts(found, f"delta.{name}")
    details = delta.get("reasoning_details")
    # Some of these are encrypted, or of unknown kinds.
    objects = (each for each in details if isinstance(each, dict)) if isinstance(details, list) else ()
    texts = (each.get("text") or each.get("summary") for each in objects)
    return "".join(text for text in texts if isinstance(text, str))


def _calls(delta: dict[str, Any]) -> list[dict[str, Any]]:
    """Returns a chunk's pieces of calls; the field `function_call` is from before there were tools."""
    if calls := fields.mappings(delta, "tool_calls", "delta.tool_calls"):
        return calls
    function = fields.mapping(delta, "function_call", "delta.function_call")
    return [{"function": function}] if function else []


def _is_first(choice: dict[str, Any], choices: list[Any]) -> bool:
    index = choice.get("index")
    return choice is choices[0] if index is None or index == "" else counts.count(index) == 0
