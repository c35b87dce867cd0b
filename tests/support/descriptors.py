"""Requests made from their descriptors: one for each field that can hold a text, or a number."""

from collections.abc import Iterator
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from weft.cache.v1 import cache_pb2
from weft.common.v1 import catalog_pb2
from weft.gateway.v1 import gateway_pb2, tenant_pb2, webhook_pb2
from weft.inference.v1 import inference_pb2
from weft.retrieval.v1 import retrieval_pb2
from weft.router.v1 import flight_pb2, router_pb2

FILES = (
    cache_pb2, catalog_pb2, flight_pb2, gateway_pb2, inference_pb2, retrieval_pb2, router_pb2, tenant_pb2, webhook_pb2,
)  # fmt: skip
SERVICES: list[ServiceDescriptor] = [service for file in FILES for service in file.DESCRIPTOR.services_by_name.values()]
# Every request of every method, and what a batch has many of, which is checked as a request of its own.
KINDS: dict[str, Descriptor] = {
    kind.full_name: kind
    for service in SERVICES
    for kind in (*(method.input_type for method in service.methods), retrieval_pb2.Document.DESCRIPTOR)
}
TEXTS = {FieldDescriptor.TYPE_STRING}
NUMBERS = {FieldDescriptor.TYPE_DOUBLE, FieldDescriptor.TYPE_FLOAT}

Way = tuple[FieldDescriptor, ...]


def ways(kind: Descriptor, types: set[int], above: frozenset[str] = frozenset()) -> Iterator[Way]:
    """Yields the way to every field of some types below a message, through each message type once."""
    for field in kind.fields:
        if field.message_type is None:
            if field.type in types:
                yield (field,)
        elif field.message_type.full_name not in above:
            for below in ways(field.message_type, types, above | {kind.full_name}):
                yield (field, *below)


def is_item(field: FieldDescriptor) -> bool:
    return bool(field.is_repeated and field.message_type and field.message_type.full_name in KINDS)


def holding(kind: Descriptor, way: Way, value: object) -> tuple[Message, str]:
    """Makes a message that holds one value, at the end of a way; returns the path of that value, too."""
    message = GetMessageClass(kind)()
    field, below = way[0], way[1:]
    inside = getattr(message, field.name)
    if below and field.message_type.GetOptions().map_entry:
        return message, field.name + put_into_map(field, inside, below, value)
    if below:
        deeper, path = holding(field.message_type, below, value)
        (inside.add() if field.is_repeated else inside).CopyFrom(deeper)
        return message, f"{field.name}[0].{path}" if field.is_repeated else f"{field.name}.{path}"
    if field.is_repeated:
        inside.append(value)
        return message, f"{field.name}[0]"
    setattr(message, field.name, value)
    return message, field.name


def put_into_map(field: FieldDescriptor, entries: Any, below: Way, value: object) -> str:
    is_flat = field.message_type.fields_by_name["value"].message_type is None
    if below[0].name == "key":
        entries.update({value: ""}) if is_flat else entries.get_or_create(value)
        return '["a\\u0000b"]' if "\0" in str(value) else f'["{value}"]'
    if is_flat:
        entries["k"] = value
        return '["k"]'
    deeper, path = holding(below[0].message_type, below[1:], value)
    entries["k"].CopyFrom(deeper)
    return f'["k"].{path}'


def named(case: object) -> str:
    """Returns the name of a message or a way, for a test's."""
    return case.full_name if isinstance(case, Descriptor) else ".".join(field.name for field in case)  # type: ignore[attr-defined]
