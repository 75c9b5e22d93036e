"""Bad bytes by every way in. Whatever comes: a decoded message, a parked one or a clear refusal; never anything else.

Short and the same each time in `./run test`; `python -m tests.fuzz --minutes 5` goes on with ever new bytes.
"""
