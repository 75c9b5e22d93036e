"""The rules: pure, with no I/O and no clock. `decide` is the way in, `states` holds the one table of moves."""
