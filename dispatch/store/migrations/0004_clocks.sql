-- When the wall clock was found behind what was written last, running clocks were set back: up to which line of the log
-- that is done, and what the time was then. Without it the next start would set them back once more.
CREATE TABLE clocks_set_back (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    seq      bigint NOT NULL,
    at       timestamptz NOT NULL
);
