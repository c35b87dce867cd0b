-- Keyword leg, packed. A common term of 100,000 chunks has 20,000 postings: as rows, reading and adding them up takes
-- PostgreSQL 0.2 s a search; as a few hundred runs of bytes it takes a millisecond, in a fifth of the space. And since
-- a search reads all postings of its terms, their count is the document frequency: nothing to keep up to date.
CREATE TABLE segments (
    collection_id integer NOT NULL,
    term          text    COLLATE "C" NOT NULL,
    -- No posting in it is of an older chunk, and none in the segment before of one as new.
    first         bigint  NOT NULL,
    -- 12 bytes a chunk, ascending: id (8), how often it holds the term (2), its length in terms (2), all big-endian.
    postings      bytea   NOT NULL,
    PRIMARY KEY (collection_id, term, first)
);
-- A segment fits a page (see postgres_postings.py), and TOAST would cost a second read.
ALTER TABLE segments ALTER COLUMN postings SET STORAGE PLAIN;

INSERT INTO segments
SELECT collection_id, term, min(chunk), string_agg(posting, '' ORDER BY chunk)
FROM (
    SELECT t.collection_id, t.term, p.chunk,
           (row_number() OVER (PARTITION BY p.term ORDER BY p.chunk) - 1) / 512 AS segment,
           int8send(p.chunk) || int2send(least(p.frequency, 32767)::smallint)
               || int2send(least(p.length, 32767)::smallint) AS posting
    FROM postings p JOIN terms t ON t.id = p.term
) old
GROUP BY collection_id, term, segment;

-- Chunks name their terms by word, so that their postings are found without an index of their own.
ALTER TABLE chunks ADD COLUMN words text[] COLLATE "C";
UPDATE chunks c SET words = ARRAY(SELECT t.term FROM terms t WHERE t.id = ANY(c.terms));
ALTER TABLE chunks ALTER COLUMN words SET NOT NULL, DROP COLUMN terms;
ALTER TABLE chunks RENAME COLUMN words TO terms;
DROP TABLE postings;
DROP TABLE terms;

-- Postings of chunks too new to be in a segment, each 12 bytes of one. Checking a foreign key for every one of them would
-- cost as much as storing it.
CREATE TABLE postings (
    collection_id integer NOT NULL,
    term          text    COLLATE "C" NOT NULL,
    chunk         bigint  NOT NULL,
    posting       bytea   NOT NULL,
    PRIMARY KEY (collection_id, term, chunk)
)
-- Whatever is packed leaves dead rows behind, which searches pass until they are swept away.
WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 50000);
ALTER TABLE collections ADD COLUMN fresh_chunks integer NOT NULL DEFAULT 0;
