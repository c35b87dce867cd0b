-- What the cache refuses is told again after growing waits, and holds up nothing else.
ALTER TABLE forgotten_documents
    ADD COLUMN refusals  integer     NOT NULL DEFAULT 0,
    -- When it is told, at the earliest; infinity once it is set aside.
    ADD COLUMN next_time timestamptz NOT NULL DEFAULT '-infinity',
    -- Why it was refused last.
    ADD COLUMN reason    text        NOT NULL DEFAULT '';
