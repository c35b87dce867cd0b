"""The workers that run jobs: leases in, provider streams through, committed tokens out."""
