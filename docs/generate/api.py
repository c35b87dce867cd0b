"""docs/reference/api.md: services, methods, messages and enums of the contract, with its comments."""

from collections.abc import Iterator
from typing import Final

from docs.generate.contract import (
    ENUMS,
    FIELDS,
    MESSAGES,
    METHODS,
    NESTED,
    NESTED_ENUMS,
    ONEOFS,
    PACKAGE,
    SERVICES,
    VALUES,
    Contract,
    contracts,
)
from docs.generate.page import code, page_of, plain, prose, rows_under
from google.protobuf.descriptor_pb2 import DescriptorProto, EnumDescriptorProto, FieldDescriptorProto

_LEAD: Final = """The gRPC contract, from the comments in [protos/](../../protos/README.md). Clients talk to the
gateway alone: it serves `weft.gateway.v1` and passes calls of the retrieval, router and cache services on. Every
call carries `authorization: Bearer KEY`. Errors are in [errors.md](errors.md)."""
_SCALARS: Final = {number: name.removeprefix("TYPE_").lower() for name, number in FieldDescriptorProto.Type.items()}
_REPEATED: Final = FieldDescriptorProto.LABEL_REPEATED
_Path = tuple[int, ...]


def page() -> str:
    """Returns the page."""
    ordered = sorted(contracts(), key=lambda one: (not one.file.service, one.file.name))
    return page_of("gRPC API", _LEAD, _contents(ordered), *map(_of_file, ordered))


def _contents(ordered: list[Contract]) -> list[str]:
    rows = (
        (
            f"[{_title(one)}](#{_anchor(_title(one))})",
            ", ".join(f"[{service.name}](#{service.name.lower()})" for service in one.file.service),
            plain(one.comment(PACKAGE)),
        )
        for one in ordered
    )
    return rows_under(("File", "Services", "About"), rows)


def _title(contract: Contract) -> str:
    return contract.file.name.removeprefix("weft/")


def _anchor(title: str) -> str:
    """Returns how a heading is linked to: GitHub leaves letters, digits, hyphens and underscores."""
    return "".join(sign for sign in title.lower() if sign.isalnum() or sign in "-_")


def _of_file(contract: Contract) -> list[str]:
    lines = [
        f"## {_title(contract)}",
        "",
        *prose(contract.comment(PACKAGE)),
        f"Package `{contract.file.package}`.",
        "",
    ]
    for number in range(len(contract.file.service)):
        lines += _service(contract, number)
    for number, message in enumerate(contract.file.message_type):
        lines += _message(contract, message, (MESSAGES, number), contract.file.package)
    for number, enum in enumerate(contract.file.enum_type):
        lines += _enum(contract, enum, (ENUMS, number), contract.file.package)
    return lines


def _service(contract: Contract, number: int) -> list[str]:
    service = contract.file.service[number]
    rows = (
        (
            code(method.name),
            _link(method.input_type),
            f"{'stream of ' if method.server_streaming else ''}{_link(method.output_type)}",
            plain(contract.comment(SERVICES, number, METHODS, index)),
        )
        for index, method in enumerate(service.method)
    )
    about = prose(contract.comment(SERVICES, number))
    return [f"### {service.name}", "", *about, *rows_under(("Method", "Request", "Response", "What it does"), rows)]


def _message(contract: Contract, message: DescriptorProto, path: _Path, scope: str) -> list[str]:
    name = f"{scope}.{message.name}"
    lines = [f"### {_short(name)}", "", *prose(contract.comment(*path))]
    lines += rows_under(("Field", "Type", "Meaning"), _fields(contract, message, path))
    for number, inner in enumerate(message.nested_type):
        if not inner.options.map_entry:
            lines += _message(contract, inner, (*path, NESTED, number), name)
    for number, enum in enumerate(message.enum_type):
        lines += _enum(contract, enum, (*path, NESTED_ENUMS, number), name)
    return lines


def _fields(contract: Contract, message: DescriptorProto, path: _Path) -> Iterator[tuple[str, ...]]:
    """Yields a row for each field; those of a oneof say so, and begin with what the oneof says."""
    told = set[int]()
    for number, field in enumerate(message.field):
        meaning = contract.comment(*path, FIELDS, number)
        if field.HasField("oneof_index") and not field.proto3_optional:
            choice = field.oneof_index
            if choice not in told:
                yield f"one of `{message.oneof_decl[choice].name}`", "", plain(contract.comment(*path, ONEOFS, choice))
            told.add(choice)
            yield f"- {code(field.name)}", _type(message, field), plain(meaning)
        else:
            yield code(field.name), _type(message, field), plain(meaning)


def _type(message: DescriptorProto, field: FieldDescriptorProto) -> str:
    entry = next((one for one in message.nested_type if field.type_name.endswith(f".{message.name}.{one.name}")), None)
    if entry is not None and entry.options.map_entry:
        return f"map of {_type(entry, entry.field[0])} to {_type(entry, entry.field[1])}"
    kind = _link(field.type_name) if field.type_name else _SCALARS[field.type]
    if field.label == _REPEATED:
        return f"list of {kind}"
    return f"optional {kind}" if field.proto3_optional else kind


def _enum(contract: Contract, enum: EnumDescriptorProto, path: _Path, scope: str) -> list[str]:
    rows = (
        (code(value.name), str(value.number), plain(contract.comment(*path, VALUES, number)))
        for number, value in enumerate(enum.value)
    )
    about = prose(contract.comment(*path))
    return [f"### {_short(f'{scope}.{enum.name}')}", "", *about, *rows_under(("Value", "Number", "Meaning"), rows)]


def _link(name: str) -> str:
    """Returns a link to a type of the contract, and the name alone of one that is not ours."""
    name = name.removeprefix(".")
    return f"[{_short(name)}](#{_anchor(_short(name))})" if name.startswith("weft.") else code(name)


def _short(name: str) -> str:
    """Returns a type's name with the last part of its package: `weft.job.v1.Answer` is `job.Answer`."""
    return name.removeprefix("weft.").replace(".v1.", ".", 1)
