CREATE TABLE gateway_keys (
    key_id           text PRIMARY KEY,
    tenant           text NOT NULL,
    name             text NOT NULL,
    secret_hash      bytea NOT NULL,
    calls_per_minute integer NOT NULL,
    create_time      timestamptz NOT NULL DEFAULT clock_timestamp(),
    revoke_time      timestamptz
);

CREATE INDEX gateway_keys_newest ON gateway_keys (create_time DESC, key_id DESC);
CREATE INDEX gateway_keys_newest_of_tenant ON gateway_keys (tenant, create_time DESC, key_id DESC);
