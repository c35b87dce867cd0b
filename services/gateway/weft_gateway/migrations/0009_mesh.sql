-- Whose the database is, and a name for it that no other one has: streams in NATS are bound to it.
CREATE TABLE mesh (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    id       text    COLLATE "C" NOT NULL,
    database uuid    NOT NULL DEFAULT gen_random_uuid()
);
-- A database that was used before there were ids belongs to the mesh that needs none.
INSERT INTO mesh (id) SELECT 'weft' WHERE EXISTS (SELECT FROM gateway_keys) OR EXISTS (SELECT FROM jobs);
