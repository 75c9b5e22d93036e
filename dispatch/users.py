"""`dispatch user …`: operators' accounts and sign-in links, on the command line."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import asyncpg
import typer
from rich.console import Console
from rich.table import Table

from dispatch.board.passwords import hash_password
from dispatch.board.sessions import make_link
from dispatch.clock import SystemClock
from dispatch.errors import BadInput, NotFound, Refused
from dispatch.model import WorkerId
from dispatch.settings import Settings, read_settings
from dispatch.store import accounts
from dispatch.store.database import Connection, Database

PASSWORD_LENGTH_MIN = 10

users = typer.Typer(no_args_is_help=True)
out = Console(highlight=False)

Config = Annotated[
    Path | None, typer.Option("--config", "-c", help="Settings file (TOML); else the one DISPATCH_CONFIG names.")
]
FromStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input instead of asking for it.")
]


class Role(StrEnum):
    """What an account may do; an auditor only looks, and sees no names."""

    OPERATOR = "operator"
    SUPERVISOR = "supervisor"
    ADMIN = "admin"
    AUDITOR = "auditor"


class Language(StrEnum):
    """In which language the board greets somebody."""

    CHINESE = "zh"
    ENGLISH = "en"


@users.command()
def add(
    name: str,
    role: Role = Role.OPERATOR,
    language: Language = Language.CHINESE,
    config: Config = None,
    *,
    password_stdin: FromStdin = False,
) -> None:
    """Make an account."""
    settings = read_settings(config).settings
    password_hash = hash_password(_password(from_stdin=password_stdin))

    async def run() -> None:
        async with _connection(settings) as connection:
            now = SystemClock().now()
            if not await accounts.add_account(
                connection, name, role=role.value, password_hash=password_hash, language=language.value, now=now
            ):
                raise Refused("name_taken", name=name)

    asyncio.run(run())
    out.print(f"{name} may sign in as {role.value}.", markup=False)


@users.command("list")
def list_(config: Config = None) -> None:
    """Show every account."""
    settings = read_settings(config).settings

    async def run() -> list[accounts.Account]:
        async with _connection(settings) as connection:
            return await accounts.all_accounts(connection)

    table = Table("name", "role", "language", "may sign in", box=None, pad_edge=False)
    for account in asyncio.run(run()):
        table.add_row(account.name, account.role, account.language, "yes" if account.is_active else "no")
    out.print(table)


@users.command()
def passwd(name: str, config: Config = None, *, password_stdin: FromStdin = False) -> None:
    """Give an account another password, and sign it out everywhere."""
    settings = read_settings(config).settings
    password_hash = hash_password(_password(from_stdin=password_stdin))
    asyncio.run(_change(settings, name, password_hash=password_hash))
    out.print(f"{name} has a new password.", markup=False)


@users.command()
def disable(name: str, config: Config = None) -> None:
    """Bar an account, and sign it out everywhere."""
    asyncio.run(_change(read_settings(config).settings, name, is_active=False))
    out.print(f"{name} may not sign in any more.", markup=False)


@users.command()
def enable(name: str, config: Config = None) -> None:
    """Let a barred account sign in again."""
    asyncio.run(_change(read_settings(config).settings, name, is_active=True))
    out.print(f"{name} may sign in.", markup=False)


@users.command()
def link(
    worker_id: str,
    config: Config = None,
    *,
    days: Annotated[int, typer.Option(min=1, max=365, help="How long the link signs in.")] = 30,
    account: Annotated[bool, typer.Option("--account", help="For an account of that name, not a worker.")] = False,
) -> None:
    """Print a link that signs a worker in on the phone that opens it."""
    settings = read_settings(config).settings

    async def run() -> str:
        whom = {"account": worker_id} if account else {"worker_id": WorkerId(worker_id)}
        async with _connection(settings) as connection:
            try:
                return await make_link(connection, SystemClock(), days=days, **whom)
            except asyncpg.ForeignKeyViolationError:
                raise NotFound("no_such_account" if account else "no_such_worker", id=worker_id) from None

    out.print(f"{settings.public_url}/enter/{asyncio.run(run())}", markup=False, soft_wrap=True)


async def _change(
    settings: Settings, name: str, *, password_hash: str | None = None, is_active: bool | None = None
) -> None:
    async with _connection(settings) as connection:
        changed = await accounts.change_account(connection, name, password_hash=password_hash, is_active=is_active)
        if not changed:
            raise NotFound("no_such_account", name=name)
        await accounts.close_sessions_of_account(connection, name)


def _password(*, from_stdin: bool) -> str:
    if from_stdin:
        password = sys.stdin.readline().rstrip("\n")
    else:
        password = typer.prompt("password", hide_input=True, confirmation_prompt=True)
    if len(password) < PASSWORD_LENGTH_MIN:
        raise BadInput("password_too_short", length_min=PASSWORD_LENGTH_MIN)
    return password


@asynccontextmanager
async def _connection(settings: Settings) -> AsyncIterator[Connection]:
    database = Database(settings.database_url, size=1)
    try:
        async with database.transaction() as connection:
            yield connection
    finally:
        await database.close()
