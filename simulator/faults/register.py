"""The small town that the faults happen in, and a witness in the database of who writes."""

USERS = ("one", "two")
"""Each instance of the service has a user of its own at the database, so that what it writes can be told apart."""

TERMINALS = 4_000

REGISTER = f"""
INSERT INTO station VALUES ('S1', 'Station One', 24.480, 118.100);
INSERT INTO home (home_id, address, lat, lon, station_id)
    SELECT 'H' || n, n || ' Pine Lane', 24.480 + n * 0.00001, 118.100, 'S1' FROM generate_series(1, {TERMINALS}) AS n;
INSERT INTO terminal (terminal_id) SELECT 'T' || n FROM generate_series(1, {TERMINALS}) AS n;
INSERT INTO terminal_home SELECT 'T' || n, 'H' || n, NULL, '2025-01-01', NULL FROM generate_series(1, {TERMINALS}) AS n;
INSERT INTO worker (worker_id, name, station_id, travel, skills, is_on_duty)
    SELECT 'W' || n, 'Worker ' || n, 'S1', 'ebike', '{{first_aid}}', true FROM generate_series(1, 12) AS n;
ANALYZE;
"""  # noqa: S608 - our own number

WRITERS = """
CREATE TABLE writer (by text NOT NULL, into_table text NOT NULL, at timestamptz NOT NULL);
CREATE FUNCTION note_writer() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO writer VALUES (current_user, TG_TABLE_NAME, clock_timestamp());
    RETURN NULL;
END $$;
CREATE TRIGGER witness AFTER INSERT OR UPDATE ON incident FOR EACH ROW EXECUTE FUNCTION note_writer();
CREATE TRIGGER witness AFTER INSERT OR UPDATE ON assignment FOR EACH ROW EXECUTE FUNCTION note_writer();
CREATE TRIGGER witness AFTER INSERT OR UPDATE ON outbox FOR EACH ROW EXECUTE FUNCTION note_writer();
CREATE TRIGGER witness AFTER INSERT ON incident_log FOR EACH ROW EXECUTE FUNCTION note_writer();
"""

SLOW_COMMITS = """
CREATE FUNCTION commit_slowly() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('faults.slept', true) IS DISTINCT FROM pg_current_xact_id()::text THEN
        PERFORM set_config('faults.slept', pg_current_xact_id()::text, false), pg_sleep({seconds});
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER slow AFTER INSERT OR UPDATE ON incident DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION commit_slowly();
CREATE CONSTRAINT TRIGGER slow AFTER INSERT OR UPDATE ON outbox DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION commit_slowly();
CREATE CONSTRAINT TRIGGER slow AFTER UPDATE ON lease DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION commit_slowly();
"""
"""A deferred trigger runs inside the commit, with every lock held, as with a slow disk or a far replica."""

FAST_COMMITS = "DROP FUNCTION commit_slowly() CASCADE"
