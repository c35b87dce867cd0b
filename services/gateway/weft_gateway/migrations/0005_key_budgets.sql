-- What a key's jobs may spend, beside its tenant's budget; 0 is no limit.
ALTER TABLE gateway_keys
    ADD COLUMN tokens_per_minute bigint NOT NULL DEFAULT 0,
    ADD COLUMN micros_per_day    bigint NOT NULL DEFAULT 0;
