-- How many boards each process has open, for whoever leads: a centre where no board is open is an incident. `beat` rises
-- while there are any, and its rising is what counts, since no two machines' clocks are the same.
CREATE TABLE room (
    instance text PRIMARY KEY,
    boards   integer NOT NULL CHECK (boards >= 0),
    beat     bigint NOT NULL
);
