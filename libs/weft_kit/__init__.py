"""What every Weft service shares: RPC, the job log, stores, the catalog and configuration; nothing about any one
service.
"""
