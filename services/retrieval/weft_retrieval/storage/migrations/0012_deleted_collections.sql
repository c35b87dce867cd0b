-- The versions of deleted collections: one made later under the same name goes on from there, so that no answer built on
-- the old one is taken for an answer of the new one.
CREATE TABLE deleted_collections (
    tenant  text   COLLATE "C" NOT NULL,
    name    text   COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    PRIMARY KEY (tenant, name)
);
GRANT SELECT, INSERT, UPDATE ON deleted_collections TO weft_retrieval;
ALTER TABLE deleted_collections ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON deleted_collections TO weft_retrieval USING (tenant = current_setting('weft.tenant', true));
