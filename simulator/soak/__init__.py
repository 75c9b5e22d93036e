"""Half of what the service takes at best, for long, with faults sprinkled in: what grows, and whether the 99 % stays.

The parts are those of `simulator.faults`; the readings come from a process of their own (`readings`).
"""
