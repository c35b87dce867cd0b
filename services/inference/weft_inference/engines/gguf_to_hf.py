"""Converts a GGUF once into a folder in Hugging Face's layout, which vLLM can load on a CPU.

    python -m weft_inference.engines.gguf_to_hf MODEL.gguf FOLDER

Needs transformers, gguf and accelerate, which vLLM's environment has.
"""

import hashlib
import os
import shutil
import sys
import tempfile
from pathlib import Path


def converted(gguf: Path, state_dir: Path) -> Path:
    """Returns the folder for a file with this content; converts it first if needed, in half a minute at most."""
    with gguf.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    folder = state_dir / f"{gguf.stem}-{digest[:16]}"
    if not folder.exists():
        convert(gguf, folder)
    return folder


def convert(gguf: Path, folder: Path) -> None:
    """Writes weights and tokenizer. `folder` appears whole or not at all, even if other processes convert as well."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=".converting-", dir=folder.parent))
    try:
        _write(gguf, draft)
        draft.rename(folder)
    except OSError:
        # If another process was first, the rename fails: a folder cannot replace one that holds files.
        if not folder.exists():
            raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _write(gguf: Path, folder: Path) -> None:
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    # Imported here, so that this module can be imported without them.
    import torch  # type: ignore[import-not-found]
    import transformers  # type: ignore[import-not-found]

    source = {"pretrained_model_name_or_path": str(gguf.parent), "gguf_file": gguf.name}
    transformers.AutoTokenizer.from_pretrained(**source).save_pretrained(folder)
    loaded = transformers.AutoModelForCausalLM.from_pretrained(**source, dtype=torch.float32)
    # A model loaded from a GGUF is marked as quantised and cannot be saved, so its weights move to a plain one.
    config = type(loaded.config)(**{k: v for k, v in loaded.config.to_dict().items() if k != "quantization_config"})
    plain = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    plain.load_state_dict(loaded.state_dict())
    plain.to(torch.bfloat16).save_pretrained(folder)


if __name__ == "__main__":
    convert(Path(sys.argv[1]), Path(sys.argv[2]))
