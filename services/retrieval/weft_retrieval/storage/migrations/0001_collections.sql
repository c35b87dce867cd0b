-- Collections, their documents, and the facts filters look up.
CREATE TABLE collections (
    id             integer     GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant         text        COLLATE "C" NOT NULL,
    name           text        COLLATE "C" NOT NULL,
    max_tokens     integer     NOT NULL,
    overlap_tokens integer     NOT NULL,
    language       text        NOT NULL,
    -- Set by the first document: vectors of different embedders must not be compared.
    embedder       text        NOT NULL DEFAULT '',
    dimensions     integer     NOT NULL DEFAULT 0,
    version        bigint      NOT NULL DEFAULT 0,
    document_count bigint      NOT NULL DEFAULT 0,
    chunk_count    bigint      NOT NULL DEFAULT 0,
    window_count   bigint      NOT NULL DEFAULT 0,
    -- Sum of chunks.length: BM25 needs the average.
    total_length   bigint      NOT NULL DEFAULT 0,
    -- True once the collection has an HNSW index of its own.
    hnsw           boolean     NOT NULL DEFAULT false,
    create_time    timestamptz NOT NULL DEFAULT now(),
    UNIQUE (tenant, name)
);

CREATE TABLE documents (
    id            bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    collection_id integer     NOT NULL REFERENCES collections ON DELETE CASCADE,
    document_id   text        COLLATE "C" NOT NULL,
    title         text        NOT NULL,
    source_uri    text        NOT NULL,
    content_type  text        NOT NULL,
    metadata      jsonb       NOT NULL,
    content_hash  text        NOT NULL,
    -- Hash of everything the client sent; an equal one means that nothing changed.
    fingerprint   text        NOT NULL,
    chunk_count   integer     NOT NULL,
    window_count  integer     NOT NULL,
    ingest_time   timestamptz NOT NULL,
    UNIQUE (collection_id, document_id)
);
CREATE INDEX documents_by_time ON documents (collection_id, ingest_time);

-- One row a metadata value, so that any key can be filtered by equality and by range through an index.
CREATE TABLE facts (
    collection_id integer NOT NULL,
    document      bigint  NOT NULL REFERENCES documents ON DELETE CASCADE,
    key           text    COLLATE "C" NOT NULL,
    text          text    COLLATE "C",
    number        double precision,
    flag          boolean,
    time          timestamptz
);
CREATE INDEX facts_by_document ON facts (document);
CREATE INDEX facts_by_text ON facts (collection_id, key, hashtextextended(text, 0)) WHERE text IS NOT NULL;
CREATE INDEX facts_by_number ON facts (collection_id, key, number) WHERE number IS NOT NULL;
CREATE INDEX facts_by_flag ON facts (collection_id, key, flag) WHERE flag IS NOT NULL;
CREATE INDEX facts_by_time ON facts (collection_id, key, time) WHERE time IS NOT NULL;
