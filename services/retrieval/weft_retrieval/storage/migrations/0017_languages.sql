-- The language of words is each document's own, and so may be the analysis of each chunk (see reanalysis.py).
-- What is stored is in its collection's language, which is nearly always the default of before.
ALTER TABLE documents
    -- NULL until it is known anew: the collection's was changed.
    ADD COLUMN language text DEFAULT 'english',
    -- Whether its sender named it.
    ADD COLUMN language_given boolean NOT NULL DEFAULT false;
ALTER TABLE chunks
    -- What its terms are stemmed as.
    ADD COLUMN language text NOT NULL DEFAULT 'english',
    -- Whether that is not its document's language any more.
    ADD COLUMN misread boolean NOT NULL DEFAULT false;
ALTER TABLE staged_documents ADD COLUMN language text NOT NULL DEFAULT '';
-- How many of its chunks have terms of which analysis: {language: {analysis: chunks}}.
ALTER TABLE collections ADD COLUMN analysed jsonb NOT NULL DEFAULT '{}';

-- Row-level security is forced, so it would hide all rows from here.
ALTER TABLE documents NO FORCE ROW LEVEL SECURITY;
ALTER TABLE chunks NO FORCE ROW LEVEL SECURITY;
UPDATE documents d SET language = c.language FROM collections c WHERE c.id = d.collection_id AND c.language <> 'english';
UPDATE chunks k SET language = c.language FROM collections c WHERE c.id = k.collection_id AND c.language <> 'english';
UPDATE collections c SET analysed = a.analysed
FROM (
    SELECT collection_id, jsonb_object_agg(language, versions) AS analysed
    FROM (
        SELECT collection_id, language, jsonb_object_agg(analysis, chunks) AS versions
        FROM (SELECT collection_id, language, analysis, count(*) AS chunks FROM chunks GROUP BY 1, 2, 3) counted
        GROUP BY 1, 2
    ) by_language GROUP BY 1
) a WHERE a.collection_id = c.id;
ALTER TABLE documents FORCE ROW LEVEL SECURITY;
ALTER TABLE chunks FORCE ROW LEVEL SECURITY;

DROP INDEX chunks_of_first_analysis;
CREATE INDEX chunks_to_analyse ON chunks (collection_id, id) WHERE analysis < 3 OR misread;
CREATE INDEX documents_of_unknown_language ON documents (collection_id, id) WHERE language IS NULL;
