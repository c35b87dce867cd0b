"""The options of `weft ask`, each with its panel of the help, and the request that they make."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

import typer

from weft.gateway.v1 import gateway_pb2
from weft.job.v1 import job_pb2
from weft_cli.commands import ask_inputs
from weft_cli.commands.path_arguments import any_path
from weft_cli.errors import CommandMisused
from weft_cli.session import AsJson
from weft_client.requests import CacheChoice, ChatOptions, OnOutage, PriorityChoice, ToolChoiceName

_POLICIES = {
    "detach": gateway_pb2.ON_DISCONNECT_DETACH,
    "cancel": gateway_pb2.ON_DISCONNECT_CANCEL,
    "detach-for": gateway_pb2.ON_DISCONNECT_DETACH_FOR,
}
_FORM = "What the answer is to be like"
_TALK = "What the model sees and may call"
_JOB = "The job"
_WHOM = "Whom to ask, how often, and how long to wait"
_CACHE = "What may come from the cache"
_HERE = "What is shown here"
Panelled: TypeAlias = Callable[..., Any]


def _panel(name: str) -> Panelled:
    """Returns a function that creates options of one panel of the help."""

    def option(
        text: str,
        *names: str,
        least: float | None = None,
        most: float | None = None,
        metavar: str | None = None,
        parser: Callable[[str], Any] | None = None,
    ) -> Any:
        return typer.Option(
            *names, help=text, min=least, max=most, rich_help_panel=name, metavar=metavar, parser=parser
        )

    return option


_form, _talk, _job, _whom, _cached, _here = map(_panel, (_FORM, _TALK, _JOB, _WHOM, _CACHE, _HERE))
ShowReasoning = Annotated[bool, _here("Write the model's reasoning to stderr.", "--show-reasoning")]
Quiet = Annotated[bool, _here("Do not show on stderr what the command waits for.", "--quiet", "-q")]


@dataclass(frozen=True, kw_only=True)
class AskOptions:
    """The options of a question, in the order of the help."""

    prompt: Annotated[str, typer.Argument(help="The question; - reads it from stdin, @PATH from a file.")]
    collection: Annotated[str, _talk("Find context in this collection.", "--collection", "-c")] = ""
    top_k: Annotated[int | None, _talk("Number of passages of context. Default: 4.", least=1, most=20)] = None
    image: Annotated[list[str] | None, _talk("Picture: a file or an https address; repeatable.")] = None
    system: Annotated[str, _talk("Instructions for the model; @PATH reads a file.")] = ""
    history: Annotated[
        Path | None,
        _talk('Earlier messages, {"role": …, "content": …}: a JSON list, or one per line.', parser=any_path),
    ] = None
    tools: Annotated[
        Path | None,
        _talk('Tools, {"name": …, "description": …, "parameters": …}: a JSON list, or one per line.', parser=any_path),
    ] = None
    tool_choice: Annotated[ToolChoiceName | None, _talk("Whether the model may, must not or must call a tool.")] = None
    max_tokens: Annotated[
        int | None, _form("Longest answer in tokens. Default: the alias's limit.", least=1, most=1_000_000)
    ] = None
    temperature: Annotated[float, _form("Randomness; at 0 the answer may come from the cache.", least=0, most=2)] = 0.0
    top_p: Annotated[float | None, _form("Share of the probability to sample from.", least=0.0001, most=1)] = None
    stop: Annotated[list[str] | None, _form("Text that ends the answer; repeatable.")] = None
    seed: Annotated[int | None, _form("Makes sampling repeatable if the provider supports it.")] = None
    schema: Annotated[Path | None, _form("File with the JSON Schema of the answer.", parser=any_path)] = None
    json_answer: Annotated[bool, _form("The answer must be a JSON object of any form.", "--json-answer")] = False
    request_id: Annotated[str, _job("Id of the request; asking again with the same id joins the first job.")] = ""
    label: Annotated[list[str] | None, _job("Label of the job, key=value; repeatable.")] = None
    priority: Annotated[PriorityChoice, _job("Priority among your tenant's own jobs.")] = "normal"
    timeout_s: Annotated[
        float | None,
        _job("Longest life of the job in seconds, queue included. Default: the gateway's.", least=1, most=86_400),
    ] = None
    webhook: Annotated[str, _job("Where to post the record when the job ends.", metavar="URL")] = ""
    on_disconnect: Annotated[
        Literal["detach", "cancel", "detach-for"], _job("What happens to the job when you leave.")
    ] = "detach"
    detach_for_s: Annotated[
        float, _job("With detach-for: seconds that the job goes on without a reader.", least=1, most=3600)
    ] = 60.0
    detach: Annotated[bool, _job("Print the job's id and leave it running.", "--detach", "-d")] = False
    model: Annotated[str, _whom("Model alias; see `weft models`.")] = "default"
    prefer_region: Annotated[str, _whom("Ask providers in this region before others.")] = ""
    first_of: Annotated[
        int | None, _whom("Ask this many providers at once; the first to answer wins.", least=1, most=8)
    ] = None
    draft: Annotated[bool, _whom("Show a draft until the answer begins, if the alias has one.", "--draft")] = False
    first_token_s: Annotated[
        float | None,
        _whom("Longest wait in seconds for the first token. Default: the alias's.", least=0.1, most=86_400),
    ] = None
    between_tokens_s: Annotated[
        float | None, _whom("Longest wait in seconds between two tokens. Default: the alias's.", least=0.1, most=86_400)
    ] = None
    total_s: Annotated[
        float | None, _whom("Longest attempt in seconds. Default: the alias's.", least=0.1, most=86_400)
    ] = None
    max_attempts: Annotated[
        int | None, _whom("Attempts that may fail, the first included; 1: no retry.", least=1, most=100)
    ] = None
    max_backoff_s: Annotated[
        float | None, _whom("Longest wait in seconds between two attempts.", least=0.001, most=86_400)
    ] = None
    on_outage: Annotated[OnOutage | None, _whom("What to do while every provider is down. Default: wait.")] = None
    cache: Annotated[
        CacheChoice | None,
        _cached(
            "Which cached answers to accept. Default: the alias's mode at temperature 0 without tools, else off.",
            "--cache",
        ),
    ] = None
    max_age_s: Annotated[float | None, _cached("Oldest cached answer to accept, in seconds.", least=0, most=1e9)] = None
    min_similarity: Annotated[
        float | None, _cached("How similar the question of a cached answer must be.", least=0, most=1)
    ] = None
    tag: Annotated[list[str] | None, _cached("Tag for `weft cache invalidate --tag`; repeatable.")] = None
    remember: Annotated[
        bool, _here("Append question and answer to the --history file, which may be new.", "--remember")
    ] = False
    show_reasoning: ShowReasoning = False
    quiet: Quiet = False
    as_json: AsJson = False

    def check(self) -> None:
        """Refuses options that cannot work together, before anything is sent.

        Raises:
            CommandMisused: --remember is given without --history, or with --detach.
            CommandFailed: nothing can be appended to the conversation.
        """
        if self.remember and (self.history is None or self.detach):
            raise CommandMisused(
                "--remember adds to the conversation that --history names, and needs an answer: not --detach"
            )
        if self.remember and self.history:
            ask_inputs.check_may_grow(self.history)

    def request(self) -> job_pb2.GenerationRequest:
        """Returns the request; reads the files that the options name."""
        options = self._chat_options()
        return ask_inputs.build(ask_inputs.read_prompt(self.prompt), options)

    @property
    def disconnect_policy(self) -> gateway_pb2.OnDisconnect.ValueType:
        """What happens to the job when its reader leaves."""
        return _POLICIES[self.on_disconnect]

    @property
    def unread_s(self) -> float:
        """How long the job goes on without a reader, with detach-for."""
        return self.detach_for_s if self.on_disconnect == "detach-for" else 0.0

    def _chat_options(self) -> ChatOptions:
        return ChatOptions(
            model=self.model,
            system=ask_inputs.read_prompt(self.system) if self.system.startswith("@") else self.system,
            history=ask_inputs.read_history(self.history, may_be_new=self.remember) if self.history else (),
            images=ask_inputs.pictures(self.image or ()),
            collection=self.collection,
            top_k=self.top_k,
            max_tokens=self.max_tokens,
            temperature=self.temperature,
            top_p=self.top_p,
            stop=self.stop or (),
            seed=self.seed,
            json_object=self.json_answer,
            json_schema=ask_inputs.read_schema(self.schema) if self.schema else None,
            tools=ask_inputs.read_tools(self.tools) if self.tools else (),
            tool_choice=self.tool_choice,
            labels=ask_inputs.labels(self.label or ()),
            priority=None if self.priority == "normal" else self.priority,
            webhook_url=self.webhook,
            cache=self.cache,
            max_age_s=self.max_age_s,
            min_similarity=self.min_similarity,
            tags=self.tag or (),
            prefer_region=self.prefer_region,
            first_of=self.first_of,
            draft=self.draft,
            timeout_s=self.timeout_s,
            first_token_s=self.first_token_s,
            between_tokens_s=self.between_tokens_s,
            total_s=self.total_s,
            max_attempts=self.max_attempts,
            max_backoff_s=self.max_backoff_s,
            on_outage=self.on_outage,
        )
