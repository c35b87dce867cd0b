-- Events that the record could not hold, as they stood in the log. A job that has one is on record without what was
-- refused of it, as far as that goes.
CREATE TABLE dead_letters (
    -- Empty when the event names no job.
    job_id      text        NOT NULL,
    sequence    bigint      NOT NULL,
    -- accepted, started, done; empty when the event's subject is none of ours.
    kind        text        NOT NULL,
    -- Empty when it is not known.
    tenant      text        NOT NULL,
    -- weft.job.v1.JobEvent, encoded; or what was in its place and is none.
    event       bytea       NOT NULL,
    reason      text        NOT NULL,
    create_time timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (job_id, sequence)
);

CREATE INDEX dead_letters_oldest_of_tenant ON dead_letters (tenant, create_time);
