-- Everything the spine keeps. All instants are UTC (timestamptz), all places WGS-84 degrees, all ids of people and
-- things are the register's own codes (text); ids we draw are time-ordered (uuid version 7).

-- --- the register: who lives where, who can go ---------------------------------------------------------------------

CREATE TABLE station (
    station_id   text PRIMARY KEY,
    name         text NOT NULL,
    lat          double precision NOT NULL CHECK (lat BETWEEN -90 AND 90),
    lon          double precision NOT NULL CHECK (lon BETWEEN -180 AND 180),
    phone        text,
    organisation text,
    district     text
);

CREATE TABLE home (
    home_id    text PRIMARY KEY,
    address    text NOT NULL DEFAULT '',
    lat        double precision CHECK (lat BETWEEN -90 AND 90),
    lon        double precision CHECK (lon BETWEEN -180 AND 180),
    accuracy_m double precision,
    access     jsonb NOT NULL DEFAULT '{}',
    station_id text REFERENCES station,
    is_known   boolean NOT NULL DEFAULT true,
    CHECK ((lat IS NULL) = (lon IS NULL))
);

CREATE TABLE elder (
    elder_id   text PRIMARY KEY,
    name       text NOT NULL,
    birth_year integer,
    phone      text,
    risks      text[] NOT NULL DEFAULT '{}',
    note       text,
    thresholds jsonb
);
CREATE INDEX elder_phone ON elder (phone) WHERE phone IS NOT NULL;
CREATE INDEX elder_name ON elder (name text_pattern_ops);

-- Residents of a home, many to many with dates: people move, and a home has more than one.
CREATE TABLE resident (
    home_id  text NOT NULL REFERENCES home,
    elder_id text NOT NULL REFERENCES elder,
    since    date NOT NULL,
    until    date,
    PRIMARY KEY (home_id, elder_id, since),
    CHECK (until IS NULL OR until >= since)
);
CREATE INDEX resident_elder ON resident (elder_id);

CREATE TABLE contact (
    home_id  text NOT NULL REFERENCES home,
    rank     integer NOT NULL,
    name     text NOT NULL,
    relation text NOT NULL DEFAULT '',
    phone    text NOT NULL,
    has_key  boolean NOT NULL DEFAULT false,
    PRIMARY KEY (home_id, rank)
);
CREATE INDEX contact_phone ON contact (phone);

CREATE TABLE terminal (
    terminal_id   text PRIMARY KEY,
    kind          text NOT NULL DEFAULT 'onekey',
    phone         text,
    session       text,
    state         text NOT NULL DEFAULT 'unheard',
    heard_at      timestamptz,
    battery       real
) WITH (fillfactor = 80);
CREATE INDEX terminal_phone ON terminal (phone) WHERE phone IS NOT NULL;

-- Where a terminal hangs (many to many with dates), and whose it is when it is worn by one resident.
CREATE TABLE terminal_home (
    terminal_id text NOT NULL REFERENCES terminal,
    home_id     text NOT NULL REFERENCES home,
    elder_id    text REFERENCES elder,
    since       date NOT NULL,
    until       date,
    PRIMARY KEY (terminal_id, home_id, since)
);
CREATE UNIQUE INDEX terminal_home_now ON terminal_home (terminal_id) WHERE until IS NULL;
CREATE INDEX terminal_home_home ON terminal_home (home_id);

CREATE TABLE worker (
    worker_id  text PRIMARY KEY,
    name       text NOT NULL,
    station_id text NOT NULL REFERENCES station,
    travel     text NOT NULL CHECK (travel IN ('walk', 'bicycle', 'ebike', 'car')),
    phone      text,
    skills     text[] NOT NULL DEFAULT '{}',
    is_on_duty boolean NOT NULL DEFAULT false,
    duty_at    timestamptz,
    lat        double precision CHECK (lat BETWEEN -90 AND 90),
    lon        double precision CHECK (lon BETWEEN -180 AND 180),
    accuracy_m double precision,
    place_at   timestamptz
) WITH (fillfactor = 70);

-- --- policies: stored once by content, referred to by every incident -----------------------------------------------

CREATE TABLE policy (
    hash      text PRIMARY KEY,
    content   jsonb NOT NULL,
    stored_at timestamptz NOT NULL
);

-- --- incidents ------------------------------------------------------------------------------------------------------

CREATE TABLE incident (
    incident_id    uuid PRIMARY KEY,
    number         bigint GENERATED ALWAYS AS IDENTITY,
    version        integer NOT NULL,
    incident_class text NOT NULL CHECK (incident_class IN ('care', 'technical', 'safety', 'centre')),
    subject_kind   text NOT NULL CHECK (subject_kind IN ('home', 'worker', 'area', 'centre')),
    subject_id     text NOT NULL,
    origin         text NOT NULL CHECK (origin IN ('terminal', 'vitals', 'operator', 'worker', 'service')),
    kind           text NOT NULL,
    band           smallint NOT NULL CHECK (band BETWEEN 0 AND 3),
    policy_hash    text NOT NULL REFERENCES policy,
    is_exercise    boolean NOT NULL,
    state          text NOT NULL
        CHECK (state IN ('waiting', 'offered', 'accepted', 'en_route', 'on_scene', 'closed')),
    level          smallint NOT NULL CHECK (level >= 0),
    wants          smallint NOT NULL CHECK (wants >= 0),
    nobody         boolean NOT NULL,
    hands          smallint NOT NULL CHECK (hands >= 1),
    step           integer NOT NULL,
    alarms         integer NOT NULL,
    receipt_n      integer NOT NULL,
    callers        jsonb NOT NULL,
    opened_at      timestamptz NOT NULL,
    due_at         timestamptz,
    step_due_at    timestamptz,
    answer_by      timestamptz,
    answered_at    timestamptz,
    answered_by    text,
    verify_by      timestamptz,
    grace_by       timestamptz,
    close_by       timestamptz,
    cancelled_at   timestamptz,
    closed_at      timestamptz,
    outcome        text,
    -- invariant 1: an open incident always has a due_at; a closed one never has
    CONSTRAINT open_has_due_at CHECK ((due_at IS NULL) = (closed_at IS NOT NULL)),
    CONSTRAINT closed_is_closed CHECK ((state = 'closed') = (closed_at IS NOT NULL)),
    CONSTRAINT closed_has_outcome CHECK ((outcome IS NULL) = (closed_at IS NULL)),
    CONSTRAINT closed_wants_nobody CHECK (closed_at IS NULL OR wants = 0)
) WITH (fillfactor = 70);
-- invariant 4: a subject has at most one open incident of a class
CREATE UNIQUE INDEX incident_one_open ON incident (incident_class, subject_kind, subject_id) WHERE closed_at IS NULL;
CREATE INDEX incident_due ON incident (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX incident_wants ON incident (band, opened_at) WHERE wants > 0;
CREATE UNIQUE INDEX incident_number ON incident (number);
CREATE INDEX incident_subject ON incident (subject_kind, subject_id, opened_at);
CREATE INDEX incident_closed ON incident (closed_at) WHERE closed_at IS NOT NULL;

-- invariant 7, second half: a closed incident never changes
CREATE FUNCTION refuse_change_of_closed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'incident % is closed and never changes', OLD.incident_id USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER incident_closed_never_changes BEFORE UPDATE ON incident
    FOR EACH ROW WHEN (OLD.closed_at IS NOT NULL) EXECUTE FUNCTION refuse_change_of_closed();
-- invariant 7, first half: the level never goes down
CREATE FUNCTION refuse_lower_level() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the level of incident % may not go down', OLD.incident_id USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER incident_level_never_falls BEFORE UPDATE ON incident
    FOR EACH ROW WHEN (NEW.level < OLD.level) EXECUTE FUNCTION refuse_lower_level();

CREATE TABLE assignment (
    assignment_id uuid PRIMARY KEY,
    incident_id   uuid NOT NULL REFERENCES incident,
    worker_id     text NOT NULL REFERENCES worker,
    state         text NOT NULL CHECK (state IN
        ('offered', 'accepted', 'en_route', 'on_scene', 'finished', 'declined', 'lapsed', 'withdrawn', 'lost')),
    eta_s         integer NOT NULL CHECK (eta_s >= 0),
    offered_by    text NOT NULL,
    skills        text[] NOT NULL,
    overdue       integer NOT NULL,
    offered_at    timestamptz NOT NULL,
    due_at        timestamptz,
    seen_at       timestamptz,
    accepted_at   timestamptz,
    departed_at   timestamptz,
    arrived_at    timestamptz,
    ended_at      timestamptz,
    end_reason    text,
    CONSTRAINT live_has_due_at
        CHECK ((due_at IS NOT NULL) = (state IN ('offered', 'accepted', 'en_route', 'on_scene'))),
    CONSTRAINT ended_has_reason CHECK ((ended_at IS NULL) = (due_at IS NOT NULL))
) WITH (fillfactor = 70);
-- invariant 3: a worker holds at most one live offer or assignment
CREATE UNIQUE INDEX assignment_one_live ON assignment (worker_id)
    WHERE state IN ('offered', 'accepted', 'en_route', 'on_scene');
CREATE INDEX assignment_incident ON assignment (incident_id);
CREATE INDEX assignment_worker ON assignment (worker_id, offered_at);

-- Why these workers: the ranking an offer came from, with the reason for or against each of the nearest dozen.
CREATE TABLE ranking (
    incident_id uuid NOT NULL REFERENCES incident,
    ranked_at   timestamptz NOT NULL,
    candidates  jsonb NOT NULL,
    counts      jsonb NOT NULL,
    PRIMARY KEY (incident_id, ranked_at)
);

-- --- what terminals said ---------------------------------------------------------------------------------------------

CREATE TABLE alarm (
    row_id       uuid PRIMARY KEY,
    terminal_id  text NOT NULL,
    alarm_id     text NOT NULL,
    digest       bytea NOT NULL,
    kind         text NOT NULL,
    origin       text NOT NULL,
    happened_at  timestamptz,
    received_at  timestamptz NOT NULL,
    incident_id  uuid REFERENCES incident,
    cancel_of    text,
    is_test      boolean NOT NULL,
    is_known     boolean NOT NULL,
    battery      real,
    flaws        text[] NOT NULL DEFAULT '{}',
    CONSTRAINT alarm_belongs CHECK (incident_id IS NOT NULL OR cancel_of IS NOT NULL)
);
-- the same press ten times is one alarm
CREATE UNIQUE INDEX alarm_once ON alarm (terminal_id, alarm_id, digest);
CREATE INDEX alarm_incident ON alarm (incident_id);
CREATE INDEX alarm_cancel ON alarm (terminal_id, cancel_of) WHERE cancel_of IS NOT NULL;

CREATE TABLE parked (
    parked_id   uuid PRIMARY KEY,
    topic       text NOT NULL,
    payload     bytea NOT NULL,
    reason      text NOT NULL,
    detail      text NOT NULL,
    received_at timestamptz NOT NULL
);
CREATE INDEX parked_received ON parked (received_at);

CREATE TABLE fault (
    terminal_id text NOT NULL,
    fault_id    text NOT NULL,
    fault       text NOT NULL,
    is_on       boolean NOT NULL,
    happened_at timestamptz,
    received_at timestamptz NOT NULL,
    PRIMARY KEY (terminal_id, fault_id, received_at)
);

-- Readings, by the day they were received in (UTC). The partition keeper makes days ahead and drops old ones. No unique
-- index: a double is removed where readings are read, so that one cannot stop a COPY of two thousand.
CREATE TABLE vitals (
    terminal_id         text NOT NULL,
    happened_at         timestamptz,
    received_at         timestamptz NOT NULL,
    heart_rate_bpm      real,
    spo2_percent        real,
    systolic_mmhg       real,
    diastolic_mmhg      real,
    temperature_c       real,
    temperature_site    text,
    respiration_per_min real
) PARTITION BY RANGE (received_at);
CREATE INDEX vitals_terminal ON vitals (terminal_id, received_at);

-- --- the record ------------------------------------------------------------------------------------------------------

-- Append-only; seq is commit order (the insert is the last statement before commit, behind one advisory lock). Ids and
-- facts only: never a name, an address, a number or a reading.
CREATE TABLE incident_log (
    seq         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    incident_id uuid,
    at          timestamptz NOT NULL,
    code        text NOT NULL,
    by          text NOT NULL,
    state       text NOT NULL,
    band        smallint NOT NULL,
    level       smallint NOT NULL,
    facts       jsonb NOT NULL
);
CREATE INDEX incident_log_incident ON incident_log (incident_id, seq);
CREATE FUNCTION refuse_log_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the incident log is append-only' USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER incident_log_append_only BEFORE UPDATE OR DELETE ON incident_log
    FOR EACH ROW EXECUTE FUNCTION refuse_log_change();

-- What people wrote, beside the log so that it can be erased without touching the record.
CREATE TABLE note (
    note_id     uuid PRIMARY KEY,
    incident_id uuid NOT NULL REFERENCES incident,
    at          timestamptz NOT NULL,
    by          text NOT NULL,
    content     text NOT NULL
);
CREATE INDEX note_incident ON note (incident_id);

-- --- messages out -----------------------------------------------------------------------------------------------------

CREATE TABLE outbox (
    outbox_id   uuid PRIMARY KEY,
    channel     text NOT NULL,
    recipient   text NOT NULL,
    message     text NOT NULL,
    incident_id uuid,
    offer_id    uuid,
    body        jsonb NOT NULL,
    created_at  timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL,
    state       text NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'sent', 'void', 'failed')),
    ended_at    timestamptz,
    reason      text,
    attempts    integer NOT NULL DEFAULT 0,
    CONSTRAINT queued_is_open CHECK ((state = 'queued') = (ended_at IS NULL))
) WITH (fillfactor = 80);
CREATE INDEX outbox_queued ON outbox (outbox_id) WHERE state = 'queued';
CREATE INDEX outbox_queued_offer ON outbox (offer_id) WHERE state = 'queued' AND offer_id IS NOT NULL;
CREATE INDEX outbox_incident ON outbox (incident_id);

-- --- who dispatches ----------------------------------------------------------------------------------------------------

CREATE TABLE lease (
    term     bigint PRIMARY KEY,
    holder   text NOT NULL,
    beat     bigint NOT NULL,
    taken_at timestamptz NOT NULL
);

-- --- who may look and act ----------------------------------------------------------------------------------------------

CREATE TABLE account (
    name          text PRIMARY KEY,
    role          text NOT NULL CHECK (role IN ('operator', 'supervisor', 'admin', 'auditor')),
    password_hash text NOT NULL,
    language      text NOT NULL DEFAULT 'zh' CHECK (language IN ('zh', 'en')),
    is_active     boolean NOT NULL DEFAULT true,
    created_at    timestamptz NOT NULL
);

-- Sessions and sign-in links; only the SHA-256 of a token is kept.
CREATE TABLE session (
    token_hash bytea PRIMARY KEY,
    account    text REFERENCES account,
    worker_id  text REFERENCES worker,
    is_link    boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    CHECK ((account IS NULL) <> (worker_id IS NULL))
);
