"""Who is signed in: sessions, sign-in links, and what a wrong password costs.

A token is 32 random bytes; only its SHA-256 is kept, so that nobody who reads the database can sign in with it.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta

import msgspec

from dispatch.board.passwords import Passwords
from dispatch.board.tries import Tries
from dispatch.clock import Clock
from dispatch.errors import NotAllowed, Unreachable
from dispatch.model import WorkerId
from dispatch.store import accounts
from dispatch.store.database import Connection, Database

SHIFT = timedelta(hours=12)
PHONE = timedelta(days=30)
LINK_DAYS = 30
TRUSTED_FOR_S = 10.0
"""How long a session is believed without asking the database again: a barred account is out after that."""
TRUSTED_MAX = 20_000
REMEMBERED_FOR_S = 3600.0
"""Whoever was signed in stays so for so long while the database cannot be asked: a board must not go dark then."""


class Person(msgspec.Struct, frozen=True):
    """Who asks. `token_hash` names the session."""

    token_hash: bytes
    name: str
    role: str
    language: str
    account: str | None
    worker_id: WorkerId | None
    expires_at: datetime

    @property
    def by(self) -> str:
        """How the log names this person."""
        return self.worker_id or self.account or self.name


def hash_of(token: str) -> bytes:
    """Under which a token is kept."""
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()


async def make_link(
    connection: Connection,
    clock: Clock,
    *,
    worker_id: WorkerId | None = None,
    account: str | None = None,
    days: int = LINK_DAYS,
) -> str:
    """A token for `/enter/TOKEN` that signs one worker or one account in, as often as needed until it runs out.

    The worker or account must exist (asyncpg raises ForeignKeyViolationError otherwise).
    """
    token, now = secrets.token_urlsafe(32), clock.now()
    await accounts.open_session(
        connection,
        hash_of(token),
        account=account,
        worker_id=worker_id,
        is_link=True,
        now=now,
        expires_at=now + timedelta(days=days),
    )
    return token


class Sessions:
    """Opens, knows and ends sessions."""

    def __init__(self, database: Database, clock: Clock, passwords: Passwords) -> None:
        self._database = database
        self._clock = clock
        self._passwords = passwords
        self._trusted: dict[bytes, tuple[float, Person]] = {}
        self._by_address = Tries(clock, at_once=30, every_s=5)
        self._by_name = Tries(clock, at_once=60, every_s=10)
        self._by_both = Tries(clock, at_once=6, every_s=15)

    async def sign_in(self, name: str, password: str, address: str) -> tuple[Person, str]:
        """The person and a new token. Raises NotAllowed (`wrong_password`), or TooOften after many wrong ones."""
        tries = ((self._by_address, address), (self._by_name, name), (self._by_both, (name, address)))
        for bucket, key in tries:
            bucket.expect(key)
        for bucket, key in tries:
            bucket.count(key)  # before anything is waited for: a hundred guesses at once are a hundred tries
        async with self._database.connection() as connection:
            account = await accounts.account_by_name(connection, name)
        known = account.password_hash if account and account.is_active else None
        if not await self._passwords.matches(known, password):
            raise NotAllowed("wrong_password")
        for bucket, key in tries:
            bucket.forgive(key)
        return await self._open(account=name, worker_id=None)

    async def enter(self, link: str) -> tuple[Person, str]:
        """The person a sign-in link is for, and a new token. Raises NotAllowed (`link_expired`)."""
        async with self._database.connection() as connection:
            found = await accounts.session_by_token(connection, hash_of(link), self._clock.now(), is_link=True)
        if found is None:
            raise NotAllowed("link_expired")
        return await self._open(account=found.account, worker_id=found.worker_id)

    async def _open(self, account: str | None, worker_id: WorkerId | None) -> tuple[Person, str]:
        token, now = secrets.token_urlsafe(32), self._clock.now()
        lasts = PHONE if worker_id else SHIFT
        async with self._database.transaction() as connection:
            await accounts.drop_expired_sessions(connection, now)
            await accounts.open_session(
                connection, hash_of(token), account=account, worker_id=worker_id, now=now, expires_at=now + lasts
            )
        person = await self.person(hash_of(token))
        if person is None:
            raise NotAllowed("sign_in")
        return person, token

    async def person(self, token_hash: bytes) -> Person | None:
        """Who holds this session, or None. A session in use goes on; an unused one ends.

        While the database is away the last answer holds for a while; without one Unreachable is raised.
        """
        trusted = self._trusted.get(token_hash)
        if trusted is not None and self._clock.elapsed() < trusted[0]:
            return trusted[1]
        try:
            person = await self._ask(token_hash)
        except Unreachable:
            if trusted is None or not self._is_remembered(*trusted):
                raise
            return trusted[1]
        self._trusted.pop(token_hash, None)
        if person is not None:
            self._trust(person)
        return person

    def _is_remembered(self, trusted_until_s: float, person: Person) -> bool:
        is_fresh = self._clock.elapsed() - trusted_until_s < REMEMBERED_FOR_S
        return is_fresh and person.expires_at > self._clock.now()

    async def _ask(self, token_hash: bytes) -> Person | None:
        now = self._clock.now()
        async with self._database.connection() as connection:
            found = await accounts.session_by_token(connection, token_hash, now)
            if found is None:
                return None
            lasts = PHONE if found.worker_id else SHIFT
            if found.expires_at - now < lasts / 2:
                await accounts.extend_session(connection, token_hash, now + lasts)
        return Person(
            token_hash, found.name, found.role, found.language, found.account, found.worker_id, found.expires_at
        )

    def _trust(self, person: Person) -> None:
        if len(self._trusted) >= TRUSTED_MAX:
            self._trusted.clear()
        self._trusted[person.token_hash] = self._clock.elapsed() + TRUSTED_FOR_S, person

    async def sign_out(self, person: Person) -> None:
        """End this session."""
        self._trusted.pop(person.token_hash, None)
        async with self._database.connection() as connection:
            await accounts.close_session(connection, person.token_hash)

    async def choose_language(self, person: Person, language: str) -> Person:
        """Keep an operator's language; a worker's is kept on the phone."""
        if person.account is not None:
            async with self._database.connection() as connection:
                await accounts.change_account(connection, person.account, language=language)
        self._trusted.pop(person.token_hash, None)
        return msgspec.structs.replace(person, language=language)
