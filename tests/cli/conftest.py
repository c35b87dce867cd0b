"""The command line is tested against the gateways that the client's tests play."""

from tests.client.conftest import playing, posting, say

__all__ = ["playing", "posting", "say"]
