-- Which analysis the terms are of: what was stored before is analysed anew in the background (see reanalysis.py).
ALTER TABLE chunks ADD COLUMN analysis smallint NOT NULL DEFAULT 1;
-- The oldest of its chunks; a search asks for their terms too until none is left.
ALTER TABLE collections ADD COLUMN analysis smallint NOT NULL DEFAULT 1;
CREATE INDEX chunks_of_first_analysis ON chunks (collection_id, id) WHERE analysis = 1;
