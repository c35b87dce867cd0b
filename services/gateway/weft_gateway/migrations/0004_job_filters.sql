ALTER TABLE jobs
    -- weft.job.v1.Priority; a request that names none is NORMAL.
    ADD COLUMN priority    smallint,
    -- Null without labels.
    ADD COLUMN labels      jsonb,
    ADD COLUMN expire_time timestamptz;

-- The letter a job's id begins with.
UPDATE jobs SET priority = CASE left(job_id, 1) WHEN 'h' THEN 1 WHEN 'l' THEN 3 ELSE 2 END;

-- Labels may be rare. Models, priorities and states are few and common: they are filtered along jobs_newest_of_tenant.
-- A request id needs no index either: the job's own id follows from it.
CREATE INDEX jobs_labels ON jobs USING gin (labels jsonb_path_ops) WHERE labels IS NOT NULL;

-- Small, however long the record: QUEUED and RUNNING jobs leave it with their end.
CREATE INDEX jobs_unfinished ON jobs (expire_time, job_id) WHERE state < 3;
