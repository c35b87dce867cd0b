"""Where documents are parsed, split and analysed: one at a time in a process with limits, forked from a warm one.

    service ── control ─▶ fork server (imports and tokenizer loaded, one thread, no secrets)
       ▲                       │ fork
       └── task, chunks ─▶ process: limits, the documents of one tenant, and nothing else

A process is killed when its document reaches a limit or its caller leaves. Its output is not trusted, since a hostile
file may have taken it over: it is JSON, checked field by field and limited. No two tenants share a process, so it sees
no other tenant's documents. All processes end with the service, however that ends.
"""
