"""Where documents are read, cut and analysed: a process each, with limits, forked from one that is warm.

    service ── control ─▶ fork server (imports and tokenizer loaded, one thread, no secrets)
       ▲                       │ fork
       └──── order, chunks ─▶ process of one document: limits, its document, and nothing else

A process is killed when its document is done, its limit is reached, or its caller leaves. What it says is taken for
what a stranger says: JSON, checked field by field and bounded, for a hostile file may have taken it over. No two
documents share a process, so it sees nobody else's. All die with the service, however that ends.
"""
