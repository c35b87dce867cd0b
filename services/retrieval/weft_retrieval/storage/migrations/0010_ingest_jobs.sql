-- Documents on their way in: an upload gathers them until a job is begun, which then stores them in order.
CREATE TABLE uploads (
    id            bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant        text        COLLATE "C" NOT NULL,
    upload_id     text        COLLATE "C" NOT NULL,
    collection_id integer     NOT NULL REFERENCES collections ON DELETE CASCADE,
    documents     bigint      NOT NULL DEFAULT 0,
    content_bytes bigint      NOT NULL DEFAULT 0,
    -- Set when its job is begun; from then on nothing is added.
    job_id        text        COLLATE "C" UNIQUE,
    -- Tells a repeat of the call that began the job from another one.
    request_hash  text        NOT NULL DEFAULT '',
    expire_time   timestamptz,
    -- Set once nothing more will be read from it.
    end_time      timestamptz,
    keep_until    timestamptz NOT NULL,
    UNIQUE (tenant, upload_id)
);
CREATE INDEX uploads_by_keep ON uploads (keep_until);

CREATE TABLE staged_documents (
    upload        bigint   NOT NULL REFERENCES uploads ON DELETE CASCADE,
    position      bigint   GENERATED ALWAYS AS IDENTITY,
    tenant        text     COLLATE "C" NOT NULL,
    document_id   text     COLLATE "C" NOT NULL,
    title         text     NOT NULL,
    source_uri    text     NOT NULL,
    content_type  text,
    metadata      jsonb    NOT NULL,
    content_bytes bigint   NOT NULL,
    -- Gone as soon as the document has an outcome.
    content       bytea,
    outcome       text     NOT NULL DEFAULT 'waiting',
    -- How many attempts began with it: one that takes its worker down shows here.
    readings      smallint NOT NULL DEFAULT 0,
    chunks        integer  NOT NULL DEFAULT 0,
    embedded      integer  NOT NULL DEFAULT 0,
    reason        integer  NOT NULL DEFAULT 0,
    message       text     NOT NULL DEFAULT '',
    PRIMARY KEY (upload, position),
    UNIQUE (upload, document_id)
);
-- Short-lived: compressing it costs more than it saves.
ALTER TABLE staged_documents ALTER COLUMN content SET STORAGE EXTERNAL;
CREATE INDEX staged_documents_waiting ON staged_documents (upload, position) WHERE outcome = 'waiting';

-- Documents that changed or went, until the cache knows: written with the change itself, so that none is forgotten.
CREATE TABLE forgotten_documents (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant      text   COLLATE "C" NOT NULL,
    collection  text   COLLATE "C" NOT NULL,
    document_id text   COLLATE "C" NOT NULL,
    -- The collection's version since.
    version     bigint NOT NULL
);

-- Finds the same content under another id.
CREATE INDEX documents_by_content ON documents (collection_id, content_hash);

GRANT SELECT, INSERT, UPDATE, DELETE ON uploads, staged_documents, forgotten_documents TO weft_retrieval;
ALTER TABLE uploads             ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE staged_documents    ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE forgotten_documents ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON uploads             TO weft_retrieval USING (tenant = current_setting('weft.tenant', true));
CREATE POLICY own ON staged_documents    TO weft_retrieval USING (tenant = current_setting('weft.tenant', true));
CREATE POLICY own ON forgotten_documents TO weft_retrieval USING (tenant = current_setting('weft.tenant', true));
-- The owner clears away what is over, and tells the cache; it reads no content.
CREATE POLICY upkeep ON uploads             TO CURRENT_USER USING (true);
CREATE POLICY upkeep ON forgotten_documents TO CURRENT_USER USING (true);
