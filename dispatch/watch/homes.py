"""Every home's name, address and numbers in memory, small, so that a person can phone while the database is away.

Homes lie in blocks of a hundred, compressed, some 40 bytes each; a number of 32 bits for each terminal says where. A
look-up unpacks one block. What is read anew replaces the old only when all of it is there.
"""

from __future__ import annotations

import zlib

import msgspec
import numpy as np

from dispatch import logs
from dispatch.clock import Clock
from dispatch.errors import Unreachable
from dispatch.model import HomeId, TerminalId
from dispatch.store.database import Database
from dispatch.store.telephones import Line, telephones

BLOCK = 100
PAGE = 500
"""Homes read at a time: some 2 ms of the loop."""
REST_PER_WORK = 3.0
"""At start a quarter of the time may go into reading: presses come first."""
ROUND_S = 600.0
"""How old what is told of a home may be."""
AGAIN_AFTER_S = 5.0
log = logs.get("watch")


class Person(msgspec.Struct, frozen=True, array_like=True):
    """A resident or a contact (`relation` empty for a resident)."""

    name: str
    phone: str | None
    relation: str = ""


class HomeTold(msgspec.Struct, frozen=True):
    """Whom to phone about a terminal; `phone` is the terminal's own number."""

    home_id: HomeId | None
    address: str
    phone: str | None
    people: tuple[Person, ...]
    contacts: tuple[Person, ...]


_Residents = list[tuple[str, str | None]]
_Contacts = list[tuple[str, str, str]]
_Row = tuple[TerminalId, HomeId, str, str | None, _Residents | None, _Contacts | None]
_row = msgspec.json.Decoder(_Row)


class _Shelf:
    """Blocks of lines, and the numbers of their terminals in the same order."""

    def __init__(self) -> None:
        self._numbers = np.empty(0, dtype=np.uint32)
        self._blocks: list[bytes] = []
        self._parts: list[np.ndarray] = []

    def __len__(self) -> int:
        return len(self._numbers) + sum(map(len, self._parts))

    @property
    def size_bytes(self) -> int:
        return self._numbers.nbytes + sum(map(len, self._blocks))

    def put(self, lines: list[Line]) -> None:
        """Add lines; all but the last call bring whole blocks."""
        for start in range(0, len(lines), BLOCK):
            block = lines[start : start + BLOCK]
            self._blocks.append(zlib.compress("\n".join(text for _, text in block).encode(), 1))
        self._parts.append(np.array([_number(terminal_id) for terminal_id, _ in lines], dtype=np.uint32))

    def close(self) -> None:
        """Nothing more comes."""
        self._numbers, self._parts = np.concatenate([self._numbers, *self._parts]), []

    def find(self, terminal_id: TerminalId) -> HomeTold | None:
        if self._parts:
            self.close()
        for place in np.flatnonzero(self._numbers == np.uint32(_number(terminal_id))):
            block, line = divmod(int(place), BLOCK)
            found = _row.decode(zlib.decompress(self._blocks[block]).split(b"\n")[line])
            if found[0] == terminal_id:
                return _told(found)
        return None


class HomesInMemory:
    """`run` reads the register in the background, again and again; `find` needs nothing but memory."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._shelf = _Shelf()
        self._is_whole = False

    def __len__(self) -> int:
        return len(self._shelf)

    @property
    def size_bytes(self) -> int:
        """What the register takes, but for a few bytes a block."""
        return self._shelf.size_bytes

    def find(self, terminal_id: TerminalId) -> HomeTold | None:
        """Whom to phone about a terminal; None if it is not registered, or was not read yet."""
        return self._shelf.find(terminal_id)

    async def run(self) -> None:
        """Read and read again until cancelled. While the database is away what was read stays."""
        while True:
            try:
                await self.read()
            except Unreachable as error:
                log.warning("homes_wait", **error.params)
                await self._clock.sleep(AGAIN_AFTER_S)

    async def read(self) -> None:
        """One round over the whole register: quick the first time, over `ROUND_S` later. Raises Unreachable."""
        shelf = _Shelf()
        if not self._is_whole:
            self._shelf = shelf  # something is better than nothing
        pages_before = max(1, len(self._shelf) // PAGE)
        after, is_last = "", False
        while not is_last:
            began_s = self._clock.elapsed()
            async with self._database.connection() as connection:
                lines = await telephones(connection, after, PAGE, self._clock.now().date())
            shelf.put(lines)
            is_last = len(lines) < PAGE
            after = lines[-1][0] if lines else after
            worked_s = self._clock.elapsed() - began_s
            rest_s = ROUND_S / pages_before if self._is_whole else worked_s * REST_PER_WORK
            await self._clock.sleep(rest_s)
        shelf.close()
        if not self._is_whole:
            log.info("homes_read", homes=len(shelf), size_bytes=shelf.size_bytes)
        self._shelf, self._is_whole = shelf, True


def _number(terminal_id: str) -> int:
    return zlib.crc32(terminal_id.encode("utf-8", "surrogatepass"))


def _told(row: _Row) -> HomeTold:
    _, home_id, address, phone, residents, contacts = row
    return HomeTold(
        home_id=home_id,
        address=address,
        phone=phone,
        people=tuple(Person(name, number) for name, number in residents or ()),
        contacts=tuple(Person(name, number, relation) for name, relation, number in contacts or ()),
    )
