-- One row a job. Each event fills its own columns, so rows grow right in whatever order events come.
CREATE TABLE jobs (
    job_id               text PRIMARY KEY,
    -- weft.job.v1.JobState. Never falls: QUEUED, then RUNNING, then one of the terminal ones.
    state                smallint NOT NULL,
    -- Null until `accepted` came. A row without tenant is nobody's, and invisible.
    tenant               text,
    key_id               text,
    request_id           text,
    model                text,
    webhook_url          text,
    accept_time          timestamptz,
    end_time             timestamptz,
    -- For reports; the events below are the truth.
    provider             text,
    provider_model       text,
    cache_tier           smallint,
    error_reason         smallint,
    prompt_tokens        bigint,
    completion_tokens    bigint,
    cached_prompt_tokens bigint,
    reasoning_tokens     bigint,
    -- weft.job.v1.JobEvent, whole and without the prompt or the answer. Large values live outside of the row, so lists,
    -- which read the brief ones, stay cheap.
    accepted             bytea,
    accepted_brief       bytea,
    started              bytea,
    done                 bytea,
    done_brief           bytea
);

CREATE INDEX jobs_newest_of_tenant ON jobs (tenant, accept_time DESC, job_id DESC);

-- One row a webhook: the job's id is the delivery's id, so there is one delivery however often `done` is recorded.
CREATE TABLE webhook_deliveries (
    job_id       text PRIMARY KEY REFERENCES jobs ON DELETE CASCADE,
    attempts     integer NOT NULL DEFAULT 0,
    -- When to try (again). Null when delivered or given up.
    next_time    timestamptz DEFAULT clock_timestamp(),
    deliver_time timestamptz,
    last_outcome text
);

CREATE INDEX webhook_deliveries_due ON webhook_deliveries (next_time) WHERE next_time IS NOT NULL;
