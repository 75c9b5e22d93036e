-- What makes readings last and mean something: hourly figures, when each home was heard, what is critical for whom.

-- One row for a terminal and an hour, not one for each parameter: most terminals measure two or three things at once, so
-- one row and one index entry stand for all of them. Which hour a reading belongs to is the device's word, as far as it
-- can be believed (see `hours.sql`); of what was measured on the skin nothing is summed up. By months, so that what was
-- kept long enough goes with its table.
CREATE TABLE vitals_hour (
    terminal_id             text NOT NULL,
    hour_at                 timestamptz NOT NULL,
    heart_rate_bpm_n        integer NOT NULL,
    heart_rate_bpm_low      real,
    heart_rate_bpm_mean     real,
    heart_rate_bpm_middle   real,
    heart_rate_bpm_high     real,
    spo2_percent_n          integer NOT NULL,
    spo2_percent_low        real,
    spo2_percent_mean       real,
    spo2_percent_middle     real,
    spo2_percent_high       real,
    systolic_mmhg_n         integer NOT NULL,
    systolic_mmhg_low       real,
    systolic_mmhg_mean      real,
    systolic_mmhg_middle    real,
    systolic_mmhg_high      real,
    diastolic_mmhg_n        integer NOT NULL,
    diastolic_mmhg_low      real,
    diastolic_mmhg_mean     real,
    diastolic_mmhg_middle   real,
    diastolic_mmhg_high     real,
    temperature_c_n         integer NOT NULL,
    temperature_c_low       real,
    temperature_c_mean      real,
    temperature_c_middle    real,
    temperature_c_high      real,
    respiration_per_min_n      integer NOT NULL,
    respiration_per_min_low    real,
    respiration_per_min_mean   real,
    respiration_per_min_middle real,
    respiration_per_min_high   real,
    PRIMARY KEY (terminal_id, hour_at)
) PARTITION BY RANGE (hour_at);

-- Up to when what was received has been summed up; one row.
CREATE TABLE summed_up (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    until_at timestamptz NOT NULL
);

-- In which hours (UTC, bit 0 is the first) of a day something showed that somebody lives in a home, and the last such
-- sign. By when it was received: what comes late was silence until then.
CREATE TABLE home_day (
    day     date NOT NULL,
    home_id text NOT NULL REFERENCES home,
    hours   integer NOT NULL CHECK (hours BETWEEN 1 AND 16777215),
    last_at timestamptz NOT NULL,
    is_asked boolean NOT NULL DEFAULT false, -- whether its elders' trends were looked at on that day
    PRIMARY KEY (day, home_id)
);

-- When we were listening to readings; our own deafness is not an elder's silence.
CREATE TABLE listening (
    span_id  uuid PRIMARY KEY,
    start_at timestamptz NOT NULL,
    end_at   timestamptz NOT NULL CHECK (end_at >= start_at)
);
CREATE INDEX listening_end ON listening (end_at);

-- Presses are signs of life as well; rows come in this order, so so small an index serves.
CREATE INDEX alarm_received ON alarm USING brin (received_at) WITH (pages_per_range = 16);

-- The readings that made an alarm of origin `vitals`, as they were when it rang.
ALTER TABLE alarm ADD COLUMN causes jsonb;

-- What is particular to an elder's readings. `thresholds` is there already; NEWS2 asks for these two as well.
ALTER TABLE elder ADD COLUMN spo2_scale text NOT NULL DEFAULT 'one' CHECK (spo2_scale IN ('one', 'two'));
ALTER TABLE elder ADD COLUMN on_oxygen boolean;
CREATE INDEX elder_particular ON elder (elder_id)
    WHERE thresholds IS NOT NULL OR spo2_scale <> 'one' OR on_oxygen IS NOT NULL;

-- Who set that, and why: every change by hand, as it was set.
CREATE TABLE health_setting (
    setting_id uuid PRIMARY KEY,
    elder_id   text NOT NULL REFERENCES elder,
    set_at     timestamptz NOT NULL,
    set_by     text NOT NULL,
    why        text NOT NULL CHECK (why <> ''),
    thresholds jsonb,
    spo2_scale text NOT NULL CHECK (spo2_scale IN ('one', 'two')),
    on_oxygen  boolean
);
CREATE INDEX health_setting_elder ON health_setting (elder_id, set_at);
