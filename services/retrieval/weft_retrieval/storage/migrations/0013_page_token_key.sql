-- What signs page tokens: one key for all replicas, made here once. A random UUID has 122 random bits. It is no tenant's,
-- so the role of the queries does not see it.
CREATE TABLE page_token_key (key bytea NOT NULL);
INSERT INTO page_token_key VALUES (uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()));
