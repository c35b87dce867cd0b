-- Whose the database is, and a name for it that no other one has: streams in NATS are bound to it.
CREATE TABLE mesh (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    id       text    COLLATE "C" NOT NULL,
    database uuid    NOT NULL DEFAULT gen_random_uuid()
);
-- A database that was used before there were ids belongs to the mesh that needs none.
INSERT INTO mesh (id) SELECT 'weft' WHERE EXISTS (SELECT FROM collections);
-- Nothing of any tenant: only the owner sees it.
ALTER TABLE mesh ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY upkeep ON mesh TO CURRENT_USER USING (true);
