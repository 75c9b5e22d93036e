"""Real faults on real parts: a service, PostgreSQL, Mosquitto, terminals that press all the while, and one fault.

`ground` is what a fault happens on, `callers` who presses, `ledger` what they sent and heard, `table` the faults, and
`proof` runs them. Nothing here is simulated: processes are killed, frozen and starved.
"""
