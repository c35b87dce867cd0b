"""Starts the inference service: python -m weft_inference."""

from weft_kit.extras import needs_extra

with needs_extra("inference", "inference"):
    from weft_inference.config import Config
    from weft_inference.engines.registry import engine_entry
    from weft_inference.server import inference
    from weft_kit.rpc.server import run


def main() -> None:
    config = Config.load()
    # The engine's packages are imported when it starts.
    with needs_extra(engine_entry(config.engine).extra, "inference"):
        run("inference", lambda: inference(config), config.log_format)


if __name__ == "__main__":
    main()
