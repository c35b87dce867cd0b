"""Starts the retrieval service: python -m weft_retrieval."""

from weft_kit.server import run
from weft_retrieval.config import Config
from weft_retrieval.server import retrieval

if __name__ == "__main__":
    config = Config.load()
    run("retrieval", lambda: retrieval(config), config.log_format)
