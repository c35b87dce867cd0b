"""What every command begins with: where the mesh is, and where to print."""

import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, TextIO, TypeVar

import typer
from google.protobuf.message import Message
from rich.console import Console, RenderableType

from weft_cli.credentials import Access, local_mesh
from weft_cli.errors import CommandFailed
from weft_cli.views.json_output import print_json
from weft_cli.views.progress import Waiting
from weft_client.client import WeftClient
from weft_client.endpoint import target
from weft_client.keys import KeyClient
from weft_compose.mesh_file import MeshFileUnusable

# Later calls tolerate a restart for longer; a wrong endpoint should be reported soon.
_FIRST_CONTACT_S = 2.0
# In columns: more than any line has.
_UNBROKEN = 1_000_000

Found = TypeVar("Found", bound=Message | Sequence[Message])
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


@dataclass(frozen=True)
class Session:
    """Where the mesh is and the keys to use, as given by options and environment."""

    given: Access = field(default_factory=Access)
    state: Path = Path(".weft")

    @classmethod
    def of(cls, context: typer.Context) -> "Session":
        return context.find_object(cls) or cls()

    def told(
        self,
        endpoint: str | None = None,
        api_key: str | None = None,
        operator_token: str | None = None,
        state: Path | None = None,
    ) -> "Session":
        """Returns a session in which the values given here replace the earlier ones."""
        given = Access(
            endpoint=self.given.endpoint if endpoint is None else endpoint,
            api_key=self.given.api_key if api_key is None else api_key,
            operator_token=self.given.operator_token if operator_token is None else operator_token,
        )
        return Session(given, self.state if state is None else state)

    @asynccontextmanager
    async def client(self, waiting: Waiting | None = None) -> AsyncIterator[WeftClient]:
        """Opens the tenant's client, and shows what it waits for.

        Raises:
            CommandFailed: there is no API key.
            WeftError: no gateway answers at the endpoint.
        """
        access = self._access()
        if not access.api_key:
            # Without an endpoint, the state folder should have named the mesh.
            where = access.endpoint if self.given.endpoint else f"a mesh, and {self.state} is no state folder of one"
            raise CommandFailed(f"no API key for {where}: pass --key, set WEFT_API_KEY, or start a mesh with `weft up`")
        with waiting or Waiting(aside()) as shown:
            async with WeftClient(access.endpoint, access.api_key, observer=shown) as weft:
                await _meet(weft, access.endpoint, shown)
                yield weft

    @asynccontextmanager
    async def operator(self) -> AsyncIterator[KeyClient]:
        """Opens the operator's client.

        Raises:
            CommandFailed: there is no operator's token.
            WeftError: no gateway answers at the endpoint.
        """
        access = self._access()
        if not access.operator_token:
            raise CommandFailed(
                f"no operator token for {access.endpoint}: pass --operator-token or set WEFT_OPERATOR_TOKEN"
            )
        with Waiting(aside()) as shown:
            async with KeyClient(access.endpoint, access.operator_token, shown) as operator:
                await _meet(operator, access.endpoint, shown)
                yield operator

    def _access(self) -> Access:
        access = self.given.completed_by(self._local_mesh())
        try:
            target(access.endpoint)
        except ValueError as wrong:
            raise CommandFailed(str(wrong)) from None
        for secret in (access.api_key, access.operator_token):
            if not (secret.isascii() and secret.isprintable()):
                raise CommandFailed("the key holds characters no key has: copy it again, without quotes or line ends")
        return access

    def _local_mesh(self) -> Access:
        try:
            return local_mesh(self.state)
        except MeshFileUnusable as broken:
            if self.given.endpoint:
                # Another mesh is named, so this one does not matter.
                return Access()
            raise CommandFailed(str(broken)) from None


async def _meet(client: WeftClient | KeyClient, endpoint: str, waiting: Waiting) -> None:
    waiting.endpoint = endpoint
    waiting.connects()
    await client.reach(_FIRST_CONTACT_S)
    waiting.stop()


def out() -> Console:
    """Returns stdout for people.

    Markup is off, since most of what is printed was written by others; our own lines turn it on.
    """
    return _console(sys.stdout)


def present(found: Found, as_text: Callable[[Found], RenderableType], *, as_json: bool) -> None:
    """Prints what a command found: as JSON for programs, or as text for people."""
    if as_json:
        print_json(found)
    else:
        out().print(as_text(found))


def aside() -> Console:
    """Returns stderr, for messages that are not part of the output."""
    return _console(sys.stderr)


def _console(to: TextIO) -> Console:
    """Returns a console as wide as its terminal; without a terminal, lines are not wrapped."""
    return Console(file=to, highlight=False, markup=False, width=None if to.isatty() else _UNBROKEN)
