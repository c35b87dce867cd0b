"""What clients ask for during a run, how, and what the answer has to be: drawn from a seed, and from nothing else."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import Enum, auto

from weft.common.v1 import chat_pb2
from weft.job.v1 import job_pb2
from weft_client.requests import chat
from weft_mock import answer_to

TENANTS = ("acme", "blue", "crimson")
ARGUMENTS = '{"name":"weft"}'
_POPULAR = 12
_WORDS = ("harbour", "lantern", "ledger", "thread", "shuttle", "beam", "heddle", "tide", "keeper", "signal")


class Way(Enum):
    """How a client asks."""

    SUBMIT = auto()
    """SubmitJob; nobody reads before the end."""
    BATCH = auto()
    """SubmitJobs, with others of the same tenant."""
    STAY = auto()
    """Generate, read to the end."""
    WANDER = auto()
    """Generate, left again and again, and gone on with elsewhere."""
    LEAVE = auto()
    """Generate with CANCEL on disconnect, and left for good."""


@dataclass(frozen=True)
class Flavour:
    """A model of the catalog: what it says, and what it is asked besides the question.

    `tokens` is the length of the mock's answer; 0 means that the engine echoes the question.
    """

    model: str
    weight: int
    tokens: int = 0
    says: str = "text"
    form: str = ""


FLAVOURS = (
    Flavour("brief", 34, tokens=12),
    Flavour("middling", 18, tokens=40),
    Flavour("long", 6, tokens=120),
    Flavour("echo", 20),
    Flavour("middling", 3, tokens=40, form="json"),
    Flavour("tool", 4, says="tool", form="tool"),
    Flavour("refusing", 4, tokens=20),
    Flavour("tearing", 4, tokens=20),
    Flavour("erring", 4, tokens=20),
    Flavour("hopeless", 1, says="nothing"),
    Flavour("popular", 3, tokens=12, form="cached"),
)


@dataclass(frozen=True)
class Order:
    """One thing a client asks for. A job's end is decided by the mesh; its text, if it has one, by this."""

    number: int
    at_s: float
    tenant: str
    flavour: Flavour
    way: Way
    prompt: str
    batch: int = 0
    """Orders with the same number go in one call; 0 goes alone."""
    priority: job_pb2.Priority.ValueType = job_pb2.PRIORITY_NORMAL
    at_once: int = 1
    """How often the same call is made at the same time."""
    again_after_s: float | None = None
    """When the same call is made again."""
    other_body_after_s: float | None = None
    """When another body is sent under the same request id."""
    cancel_after_s: float | None = None
    timeout_s: float | None = None
    webhook: bool = False
    seed: int = field(default=0, repr=False)

    @property
    def request_id(self) -> str:
        return f"chaos-{self.seed}-{self.number}"

    @property
    def text(self) -> str:
        """What a job that succeeds must say."""
        if self.flavour.says != "text":
            return ""
        if not self.flavour.tokens:
            return self.prompt
        return answer_to(self.prompt, self.flavour.tokens, as_json=self.flavour.form == "json")

    @property
    def arguments(self) -> list[str]:
        """The arguments of the tools that a job that succeeds must call."""
        return [ARGUMENTS] if self.flavour.says == "tool" else []

    @property
    def may_succeed(self) -> bool:
        return self.flavour.says != "nothing"

    def request(self, webhooks: str) -> job_pb2.GenerationRequest:
        """What is asked; `webhooks` is the URL below which every order has a place of its own."""
        # Else it would wait for a provider that never is well until its time is up.
        request = chat(self.prompt, model=self.flavour.model, on_outage=None if self.may_succeed else "fail")
        request.priority = self.priority
        request.labels["order"] = str(self.number)
        if self.timeout_s:
            request.timeout.FromNanoseconds(round(self.timeout_s * 1e9))
        if self.webhook:
            request.webhook_url = f"{webhooks}/{self.number}"
        match self.flavour.form:
            case "json":
                request.response_format.json_object.SetInParent()
            case "tool":
                request.tools.append(
                    chat_pb2.Tool(name="find", description="finds", parameters_schema='{"type":"object"}')
                )
            case "cached":
                request.cache.mode = job_pb2.CACHE_MODE_EXACT
        return request


def draw_orders(seed: int, count: int, seconds: float) -> list[Order]:
    """Returns the orders of a run, by the time they are due."""
    chance = random.Random(f"orders {seed}")
    moments = sorted(chance.uniform(0, seconds) for _ in range(count))
    return [*_batched((_order(chance, seed, number, at_s) for number, at_s in enumerate(moments, 1)), chance)]


def _order(chance: random.Random, seed: int, number: int, at_s: float) -> Order:
    [flavour] = chance.choices(FLAVOURS, [flavour.weight for flavour in FLAVOURS])
    way = chance.choices([Way.SUBMIT, Way.STAY, Way.WANDER, Way.LEAVE], [42, 26, 26, 6])[0]
    length = chance.randint(3, 60)
    # Providers of OpenAI's kind refuse a question for JSON that does not name it; the router would add words to it.
    opening = f"order {number} of seed {seed}{', in JSON' if flavour.form == 'json' else ''}:"
    order = Order(
        number,
        at_s,
        tenant=chance.choice(TENANTS),
        flavour=flavour,
        way=way,
        prompt=" ".join([opening, *chance.choices(_WORDS, k=length)]),
        priority=chance.choice([job_pb2.PRIORITY_HIGH, job_pb2.PRIORITY_NORMAL, job_pb2.PRIORITY_LOW]),
        webhook=chance.random() < 0.15,
        seed=seed,
    )
    if flavour.form == "cached":
        return replace(order, prompt=f"what everybody asks, number {chance.randrange(_POPULAR)}")
    return _with_twist(order, chance)


def _with_twist(order: Order, chance: random.Random) -> Order:
    """Makes some orders less simple."""
    drawn = chance.random()
    later_s = chance.uniform(0.5, 20)
    if drawn < 0.06:
        return replace(order, at_once=chance.randint(2, 4))
    if drawn < 0.12:
        return replace(order, again_after_s=later_s)
    if drawn < 0.16:
        return replace(order, other_body_after_s=later_s)
    if drawn < 0.22:
        return replace(order, cancel_after_s=chance.uniform(0, 2))
    if drawn < 0.25:
        return replace(order, timeout_s=chance.uniform(1, 3))
    return order


def _batched(orders: Iterator[Order], chance: random.Random) -> Iterator[Order]:
    """Lets some tenant ask for the next ones together, now and then."""
    batch = left = 0
    first: Order | None = None
    for order in orders:
        if not left and chance.random() < 0.02:
            batch, left, first = batch + 1, chance.randint(5, 30), order
        if left and first:
            left -= 1
            yield replace(
                order, way=Way.BATCH, batch=batch, tenant=first.tenant, at_s=first.at_s, at_once=1, again_after_s=None
            )
        else:
            yield order
