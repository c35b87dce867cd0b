-- A second fence between tenants: the service works as a role that owns nothing and sees only rows of the tenant its
-- transaction is for (`weft.tenant`). A query that forgot its WHERE then finds nothing of others.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'weft_retrieval') THEN
        CREATE ROLE weft_retrieval NOLOGIN;
    END IF;
EXCEPTION
    -- Roles belong to the whole server: another database's migration may have come first.
    WHEN duplicate_object OR unique_violation THEN NULL;
END
$$;
DO $$
BEGIN
    -- Whoever may not create roles is given this one beforehand.
    IF NOT pg_has_role(current_user, 'weft_retrieval', 'SET') THEN
        EXECUTE format('GRANT weft_retrieval TO %I', current_user);
    END IF;
END
$$;
GRANT USAGE ON SCHEMA retrieval TO weft_retrieval;
GRANT SELECT, INSERT, UPDATE, DELETE
    ON collections, documents, facts, chunks, windows, segments, postings TO weft_retrieval;
GRANT USAGE ON SEQUENCE chunks_id_seq TO weft_retrieval;

-- A policy may use an index only through functions that leak nothing, and hashing text is not known as one.
DROP INDEX facts_by_text;
ALTER TABLE facts ADD COLUMN text_hash bigint GENERATED ALWAYS AS (hashtextextended(text, 0)) STORED;
CREATE INDEX facts_by_text ON facts (collection_id, key, text_hash) WHERE text IS NOT NULL;

ALTER TABLE collections ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON collections TO weft_retrieval USING (tenant = current_setting('weft.tenant', true));
-- The owner sees which collections there are, to build their indexes, and none of their content.
CREATE POLICY upkeep ON collections TO CURRENT_USER USING (true);

DO $$
DECLARE
    behind text;
BEGIN
    FOREACH behind IN ARRAY ARRAY['documents', 'facts', 'chunks', 'windows', 'segments', 'postings'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', behind);
        -- The ids of the tenant's collections are looked up once a query, not once a row. They are asked for by tenant
        -- here too: the owner, who sees all collections, is a member of the role.
        EXECUTE format($policy$
            CREATE POLICY own ON %I TO weft_retrieval USING (collection_id = ANY (ARRAY(
                SELECT id FROM collections WHERE tenant = current_setting('weft.tenant', true)
            )))
        $policy$, behind);
    END LOOP;
END
$$;
