"""Where documents are read, cut and analysed: one at a time in a process with limits, forked from one that is warm.

    service ── control ─▶ fork server (imports and tokenizer loaded, one thread, no secrets)
       ▲                       │ fork
       └── task, chunks ─▶ process: limits, the documents of one tenant, and nothing else

A process is killed when the limit of its document is reached or its caller leaves. What it says is taken for what a
stranger says: JSON, checked field by field and bounded, for a hostile file may have taken it over. No two tenants share
a process, so it sees nobody else's documents. All die with the service, however that ends.
"""
