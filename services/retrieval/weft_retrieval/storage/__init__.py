"""Collections, documents, chunks, postings and vectors in PostgreSQL, with the migrations."""
