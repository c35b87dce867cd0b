-- The operator's calls, refused ones too. A row is written before anything is done, and again before the answer is given.
CREATE TABLE audit_events (
    event_id    text        PRIMARY KEY,
    time        timestamptz NOT NULL,
    method      text        NOT NULL,
    call_id     text        NOT NULL,
    -- A fingerprint of the token; empty when it was not the operator's.
    operator    text        NOT NULL,
    address     text        NOT NULL,
    -- What it was about, where it was about one.
    tenant      text        NOT NULL,
    key_id      text        NOT NULL,
    -- Name of the status; empty while the call is under way.
    code        text        NOT NULL,
    -- Name of the ErrorReason.
    reason      text        NOT NULL,
    -- Refused calls before this one that have no row.
    unrecorded  bigint      NOT NULL
);

CREATE INDEX audit_events_newest ON audit_events (time DESC, event_id DESC);
