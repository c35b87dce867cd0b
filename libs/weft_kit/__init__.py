"""What every Weft service shares: RPC, the job log, stores, the catalog and settings; nothing of a single service."""
