"""Lets the town's people into the service: accounts with passwords, and sign-in links, written into its database."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from dispatch.board.passwords import hash_password
from dispatch.board.sessions import make_link
from dispatch.store import accounts

if TYPE_CHECKING:
    from collections.abc import Iterable

    import asyncpg

    from dispatch.clock import Clock
    from dispatch.model import WorkerId


async def let_in_operator(
    connection: asyncpg.Connection[Any], clock: Clock, name: str, password: str, *, role: str = "operator"
) -> str:
    """Make an account (or give an old one this password) and return the token of a sign-in link for it."""
    password_hash = await asyncio.to_thread(hash_password, password)
    is_new = await accounts.add_account(
        connection, name, role=role, password_hash=password_hash, language="zh", now=clock.now()
    )
    if not is_new:
        await accounts.change_account(connection, name, password_hash=password_hash, role=role, is_active=True)
    return await make_link(connection, clock, account=name)


async def let_in_workers(
    connection: asyncpg.Connection[Any], clock: Clock, worker_ids: Iterable[WorkerId]
) -> dict[WorkerId, str]:
    """The token of a sign-in link for each worker."""
    async with connection.transaction():
        return {worker_id: await make_link(connection, clock, worker_id=worker_id) for worker_id in worker_ids}
