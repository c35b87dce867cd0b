"""weft collections, documents: what is stored, listed and deleted."""

from typing import Annotated

import typer

from weft.common.v1 import error_pb2
from weft_cli.commands.confirmation import Yes, confirm
from weft_cli.commands.default_list_group import ListsByDefault
from weft_cli.commands.examples import examples
from weft_cli.errors import (
    FAILED,
    line_of,
    reporting,
    warn,
)
from weft_cli.session import (
    AsJson,
    Session,
    aside,
    out,
    present,
)
from weft_cli.views.collections import collection_sheet, collections_table, documents_table
from weft_cli.views.json_output import print_json
from weft_client.client import WeftClient
from weft_kit.rpc.errors import WeftError

app = typer.Typer()
collections = typer.Typer(
    help="Collections of documents: list or show them, set the language, delete one.", cls=ListsByDefault
)
documents = typer.Typer(help="The documents of a collection: list or delete them.", cls=ListsByDefault)
app.add_typer(collections, name="collections")
app.add_typer(documents, name="documents")
Name = Annotated[str, typer.Argument(help="The collection's name.")]
Limit = Annotated[int, typer.Option(help="How many to list, in alphabetical order.", min=1)]


@collections.command("list", epilog=examples("collections", "collections list --limit 10 --json"))
@reporting
async def list_collections(context: typer.Context, limit: Limit = 50, *, as_json: AsJson = False) -> None:
    """List collections; `list` may be omitted: `weft collections`."""
    async with Session.of(context).client() as weft:
        found = await weft.documents.collections(limit + 1)
    present(found[:limit], collections_table, as_json=as_json)
    _tell_of_more(len(found), limit)


@collections.command("show", epilog=examples("collections show handbook"))
@reporting
async def show_collection(context: typer.Context, name: Name, *, as_json: AsJson = False) -> None:
    """Show a collection: how much is in it, and how its documents are split into chunks."""
    async with Session.of(context).client() as weft:
        found = await weft.documents.collection(name)
    present(found, collection_sheet, as_json=as_json)


@collections.command(
    "language", epilog=examples("collections language handbook german", "collections language handbook detected")
)
@reporting
async def set_language(
    context: typer.Context,
    name: Name,
    language: Annotated[
        str, typer.Argument(help="Such as german; or detected, for each document's own; or simple, for no stemming.")
    ],
    *,
    as_json: AsJson = False,
) -> None:
    """Set the language in which a collection's words are stemmed. Stored documents follow in the background."""
    async with Session.of(context).client() as weft:
        found = await weft.documents.set_language(name, language)
    present(found, collection_sheet, as_json=as_json)


@collections.command("delete", epilog=examples("collections delete handbook", "collections delete handbook --yes"))
@reporting
async def delete_collection(context: typer.Context, name: Name, *, yes: Yes = False, as_json: AsJson = False) -> None:
    """Delete a collection with all its documents, for good."""
    async with Session.of(context).client() as weft:
        found = await weft.documents.collection(name)
        confirm(f"delete {name} with its {_count(found.document_count)}?", yes=yes)
        deleted = await weft.documents.delete_collection(name)
    if as_json:
        print_json(dict[str, object](collection=name, deleted_documents=deleted))
    else:
        out().print(f"{name} is deleted, with its {_count(deleted)}")


@documents.command("list", epilog=examples("documents handbook", "documents list handbook --limit 1000 --json"))
@reporting
async def list_documents(
    context: typer.Context, collection: Name, limit: Limit = 50, *, as_json: AsJson = False
) -> None:
    """List documents; `list` may be omitted: `weft documents COLLECTION`."""
    async with Session.of(context).client() as weft:
        found = await weft.documents.documents(collection, limit + 1)
    present(found[:limit], documents_table, as_json=as_json)
    _tell_of_more(len(found), limit)


@documents.command("delete", epilog=examples("documents delete handbook a.md", "documents delete handbook a.md b.pdf"))
@reporting
async def delete_documents(
    context: typer.Context,
    collection: Name,
    document_ids: Annotated[list[str], typer.Argument(help="The documents' ids, from `weft documents COLLECTION`.")],
    *,
    as_json: AsJson = False,
) -> int:
    """Delete documents, for good; exit code 1 if one of them does not exist. The others are deleted all the same."""
    async with Session.of(context).client() as weft:
        deleted = [one for one in dict.fromkeys(document_ids) if await _delete(weft, collection, one)]
    if as_json:
        print_json(dict[str, object](collection=collection, deleted=deleted))
    else:
        out().print(f"{_count(len(deleted))} deleted from {collection}")
    return 0 if len(deleted) == len(set(document_ids)) else FAILED


async def _delete(weft: WeftClient, collection: str, document_id: str) -> bool:
    try:
        await weft.documents.delete(collection, document_id)
    except WeftError as error:
        if error.reason != error_pb2.ERROR_REASON_DOCUMENT_NOT_FOUND:
            raise
        warn(line_of(error))
        return False
    return True


def _tell_of_more(found: int, limit: int) -> None:
    if found > limit:
        aside().print(f"there are more: --limit {2 * limit} shows them")


def _count(documents: int) -> str:
    return f"{documents:,} document{'' if documents == 1 else 's'}"
