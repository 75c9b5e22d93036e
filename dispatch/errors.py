"""Every error raised on purpose: a code and its parameters.

The code is what is stored, sent and logged; the sentence a person reads is made at the edge, in that person's language
(`dispatch/board/web/src/words`, or `say` below for the command line).
"""

from __future__ import annotations


class DispatchError(Exception):
    """Something was refused or failed in a way we foresaw.

    `code` is a stable snake_case word; `params` are the facts a sentence about it needs.
    """

    def __init__(self, code: str, **params: object) -> None:
        super().__init__(code, params)
        self.code = code
        self.params = params

    def say(self) -> str:
        """The error in one plain line, for the command line and the technical log."""
        facts = ", ".join(f"{name} {value}" for name, value in self.params.items())
        return f"{self.code.replace('_', ' ')}: {facts}" if facts else self.code.replace("_", " ")


class Refused(DispatchError):
    """A person or a program asked for something that may not be done now (HTTP 409)."""


class NotFound(DispatchError):
    """What was named does not exist, or is not for the one who asks (HTTP 404)."""


class NotAllowed(DispatchError):
    """Who asks may not do this (HTTP 403), or has not signed in (code `sign_in`, HTTP 401)."""


class BadInput(DispatchError):
    """What was sent cannot be understood (HTTP 400, or a parked message)."""


class BadSettings(DispatchError):
    """The settings or the policy are wrong: file, key, line where known, and reason; the service does not start."""


class Unreachable(DispatchError):
    """The database or the broker is away; trying again later makes sense."""


class Overtaken(DispatchError):
    """What was decided without locks did not stand any more when it was to be written; nothing was."""


class SteppedDown(DispatchError):
    """This process no longer holds the lease: another dispatches, and nothing more may be written here."""
