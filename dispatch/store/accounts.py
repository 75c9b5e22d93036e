"""Accounts, sessions and sign-in links: rows to records, one function a statement."""

from __future__ import annotations

from datetime import datetime

import msgspec

from dispatch.model import WorkerId
from dispatch.store.database import Connection, statements

SQL = statements("accounts")


class Account(msgspec.Struct, frozen=True):
    """An operator, supervisor, admin or auditor. `password_hash` is argon2's own text."""

    name: str
    role: str
    password_hash: str
    language: str
    is_active: bool


class Session(msgspec.Struct, frozen=True):
    """Whom a token stands for: an account with its role, or a worker (role `worker`, no account)."""

    account: str | None
    worker_id: WorkerId | None
    role: str
    name: str
    language: str
    created_at: datetime
    expires_at: datetime


async def account_by_name(connection: Connection, name: str) -> Account | None:
    """The account, barred or not, or None."""
    row = await connection.fetchrow(SQL["account_by_name"], name)
    return Account(**row) if row else None


async def all_accounts(connection: Connection) -> list[Account]:
    """Every account, by name."""
    return [Account(**row) for row in await connection.fetch(SQL["all_accounts"])]


async def add_account(
    connection: Connection, name: str, *, role: str, password_hash: str, language: str, now: datetime
) -> bool:
    """Whether the account was made; False if the name is taken."""
    return await connection.fetchval(SQL["add_account"], name, role, password_hash, language, now) is not None


async def change_account(
    connection: Connection,
    name: str,
    *,
    role: str | None = None,
    password_hash: str | None = None,
    language: str | None = None,
    is_active: bool | None = None,
) -> bool:
    """Whether there is such an account; what is None stays as it is."""
    changed = await connection.fetchval(SQL["change_account"], name, role, password_hash, language, is_active)
    return changed is not None


async def close_sessions_of_account(connection: Connection, name: str) -> None:
    """Sign an account out everywhere, its links included."""
    await connection.execute(SQL["close_sessions_of_account"], name)


async def open_session(
    connection: Connection,
    token_hash: bytes,
    *,
    account: str | None = None,
    worker_id: WorkerId | None = None,
    is_link: bool = False,
    now: datetime,
    expires_at: datetime,
) -> None:
    """Keep a session, or a sign-in link, of one account or one worker."""
    await connection.execute(SQL["open_session"], token_hash, account, worker_id, is_link, now, expires_at)


async def session_by_token(
    connection: Connection, token_hash: bytes, now: datetime, *, is_link: bool = False
) -> Session | None:
    """Whom a token (or a sign-in link) stands for; None if it has run out or its account is barred."""
    row = await connection.fetchrow(SQL["session_by_token"], token_hash, is_link, now)
    return Session(**{**row, "role": row["role"] or "worker"}) if row else None


async def extend_session(connection: Connection, token_hash: bytes, expires_at: datetime) -> None:
    """Somebody is still there."""
    await connection.execute(SQL["extend_session"], token_hash, expires_at)


async def close_session(connection: Connection, token_hash: bytes) -> None:
    """Signed out."""
    await connection.execute(SQL["close_session"], token_hash)


async def drop_expired_sessions(connection: Connection, now: datetime) -> None:
    """Forget what nobody can use any more."""
    await connection.execute(SQL["drop_expired_sessions"], now)
