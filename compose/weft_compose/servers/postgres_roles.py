"""The roles in PostgreSQL: the services' role owns their database, but has no rights over the server and its files.

Everything else is the superuser's, who connects only over the socket in the data folder. A database of an earlier
version belongs to the superuser, as whom services connected then, and is handed over to the services' role.
`python -m weft_compose.servers.postgres_roles` does the same for a PostgreSQL elsewhere, such as a container's.
"""

import os
import sys
from typing import Final

import psycopg
from psycopg import Connection, sql
from psycopg.rows import TupleRow

SUPERUSER: Final = "weft"
SERVICES: Final = "weft_services"
# The role with which retrieval reads and writes, limited to one tenant; the services' role could not create it.
_FENCED: Final = "weft_retrieval"

# Selects a command for each object that the superuser created here: schemas, tables with their indexes and sequences,
# views, and policies. What belongs to an extension stays.
_HAND_OVER: Final = """
SELECT format('ALTER SCHEMA %I OWNER TO weft_services', nspname)
FROM pg_namespace
WHERE nspowner = current_user::regrole AND nspname NOT IN ('public', 'information_schema') AND nspname !~ '^pg_'
UNION ALL
SELECT format('ALTER TABLE %s OWNER TO weft_services', oid::regclass)
FROM pg_class
WHERE relowner = current_user::regrole AND relkind IN ('r', 'p', 'v', 'm', 'S')
  AND relnamespace <> 'information_schema'::regnamespace AND relnamespace::regnamespace::text !~ '^pg_'
  AND NOT EXISTS (
    SELECT FROM pg_depend
    WHERE classid = 'pg_class'::regclass AND objid = pg_class.oid
      AND (deptype = 'e' OR relkind = 'S' AND deptype IN ('a', 'i'))
  )
UNION ALL
SELECT format('ALTER POLICY %I ON %s TO weft_services', polname, polrelid::regclass)
FROM pg_policy
WHERE polroles = ARRAY[current_user::regrole::oid]
"""


def make_roles(session: Connection[TupleRow], password: str) -> None:
    """Creates the services' role if needed, and sets its password and rights."""
    for role in (SERVICES, _FENCED):
        if session.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone() is None:
            session.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(role)))
    # Not the password itself: a server may log its commands.
    verifier = session.pgconn.encrypt_password(password.encode(), SERVICES.encode(), b"scram-sha-256").decode()
    rights = sql.SQL("LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS")
    session.execute(
        sql.SQL("ALTER ROLE {} {} PASSWORD {}").format(sql.Identifier(SERVICES), rights, sql.Literal(verifier))
    )
    session.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(_FENCED), sql.Identifier(SERVICES)))


def create_database(session: Connection[TupleRow], database: str) -> None:
    """Creates a database that belongs to the services, unless it exists."""
    if session.execute("SELECT 1 FROM pg_database WHERE datname = %s", [database]).fetchone() is None:
        names = sql.Identifier(database), sql.Identifier(SERVICES)
        session.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(*names))


def hand_over(session: Connection[TupleRow]) -> None:
    """Gives the session's database and its contents to the services, if it belongs to the superuser."""
    found = session.execute(
        "SELECT datname FROM pg_database WHERE datname = current_database() AND datdba = current_user::regrole"
    ).fetchone()
    if found is None:
        return
    with session.transaction():
        for (command,) in session.execute(_HAND_OVER).fetchall():
            session.execute(command)
        names = sql.Identifier(found[0]), sql.Identifier(SERVICES)
        session.execute(sql.SQL("ALTER DATABASE {} OWNER TO {}").format(*names))


def main() -> None:
    """Sets up the database at WEFT_POSTGRES_ADMIN_URL, a superuser's, for services with WEFT_SERVICES_PASSWORD."""
    try:
        url, password = os.environ["WEFT_POSTGRES_ADMIN_URL"], os.environ["WEFT_SERVICES_PASSWORD"]
    except KeyError as missing:
        sys.exit(f"{missing.args[0]} is not set")
    with psycopg.connect(url, autocommit=True) as session:
        session.execute("CREATE EXTENSION IF NOT EXISTS vector")
        make_roles(session, password)
        hand_over(session)


if __name__ == "__main__":
    main()
