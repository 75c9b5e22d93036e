"""The proof by simulation: the real code on a virtual clock and one seed, with everything going wrong around it.

`loop` is time, `world` runs it and does one statement at a time, `way` is how a process reaches the real PostgreSQL
(and how that fails), `broker`, `homes` and `people` are models of what lies outside, `process` is the service built of
its real parts, `mirror` is what is durable, `promises` what must hold, `trial` one seed from beginning to end.
"""
