-- The generations of a tenant's webhook secrets. The secrets themselves are derived from a key that is not in here.
CREATE TABLE webhook_secrets (
    tenant      text NOT NULL,
    generation  integer NOT NULL,
    create_time timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- When it stops signing. Null for the newest, which is never deleted: its number must not be given out again.
    expire_time timestamptz,
    PRIMARY KEY (tenant, generation)
);

ALTER TABLE webhook_deliveries RENAME COLUMN attempts TO tries_made;
ALTER TABLE webhook_deliveries
    ADD COLUMN tenant      text,
    ADD COLUMN create_time timestamptz,
    -- Who tries it now, until `next_time`. Whoever comes back from a try with another claim decides nothing.
    ADD COLUMN claim       uuid,
    -- The last ones, oldest first: [{"time": …, "duration_s": …, "http_status": …, "outcome": …}].
    ADD COLUMN tries       jsonb NOT NULL DEFAULT '[]';

UPDATE webhook_deliveries AS d SET tenant = j.tenant, create_time = COALESCE(j.end_time, clock_timestamp())
FROM jobs AS j WHERE j.job_id = d.job_id;

ALTER TABLE webhook_deliveries
    ALTER COLUMN tenant SET NOT NULL,
    ALTER COLUMN create_time SET NOT NULL,
    ALTER COLUMN create_time SET DEFAULT clock_timestamp(),
    DROP COLUMN last_outcome,
    -- weft.gateway.v1.DeliveryState: PENDING, DELIVERED, FAILED.
    ADD COLUMN state smallint NOT NULL GENERATED ALWAYS AS (
        CASE WHEN next_time IS NOT NULL THEN 1 WHEN deliver_time IS NOT NULL THEN 2 ELSE 3 END
    ) STORED;

DROP INDEX webhook_deliveries_due;
-- Tenant first: who has something due is found by a step a tenant, however much of it is waiting.
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (tenant, next_time) WHERE next_time IS NOT NULL;
CREATE INDEX webhook_deliveries_newest_of_tenant ON webhook_deliveries (tenant, create_time DESC, job_id DESC);
