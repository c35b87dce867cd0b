-- What is erased stays erased, whatever the recorder reads late.
--
-- When the contents of a row were deleted; its brief columns stay. With it a row without tenant is a job that was deleted:
-- it keeps events that are still under way from bringing it back, and goes when none can come any more.
ALTER TABLE jobs ADD COLUMN erase_time timestamptz;

-- Jobs leave the first with their contents; the second holds no more than what was deleted in the last hours.
CREATE INDEX jobs_with_contents ON jobs (tenant, accept_time, job_id) WHERE erase_time IS NULL AND state >= 3;
CREATE INDEX jobs_deleted ON jobs (erase_time) WHERE tenant IS NULL AND erase_time IS NOT NULL;
