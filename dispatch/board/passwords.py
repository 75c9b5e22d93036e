"""Passwords: hashed with argon2id in a thread (a hash takes some 100 ms), never on the loop, and few at a time."""

from __future__ import annotations

import asyncio

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

AT_A_TIME = 2
"""Each hash takes 64 MiB and a core: a flood of sign-ins must not take the machine from the calls."""

_hasher = PasswordHasher()


def hash_password(password: str) -> str:
    """The text that is stored for a password. Slow on purpose: from the loop, call `Passwords.hash`."""
    return _hasher.hash(password)


def _matches(password_hash: str, password: str) -> bool:
    try:
        return _hasher.verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False


class Passwords:
    """Hashes and checks beside the loop."""

    def __init__(self) -> None:
        self._turns = asyncio.Semaphore(AT_A_TIME)
        self._nobodys = ""

    async def hash(self, password: str) -> str:
        async with self._turns:
            return await asyncio.to_thread(hash_password, password)

    async def matches(self, password_hash: str | None, password: str) -> bool:
        """Whether this is the password. With no hash (no such account) it takes as long, and says no."""
        async with self._turns:
            if password_hash is not None:
                return await asyncio.to_thread(_matches, password_hash, password)
            if not self._nobodys:
                self._nobodys = await asyncio.to_thread(hash_password, "nobody's")
            await asyncio.to_thread(_matches, self._nobodys, password)
            return False
