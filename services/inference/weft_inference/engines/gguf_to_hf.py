"""Writes a GGUF out once as a folder in Hugging Face's layout, which is what vLLM loads on a CPU.

    python -m weft_inference.engines.gguf_to_hf MODEL.gguf FOLDER

Needs transformers, gguf and accelerate: the environment of vLLM has them.
"""

import hashlib
import os
import shutil
import sys
import tempfile
from pathlib import Path


def converted(gguf: Path, state_dir: Path) -> Path:
    """Returns the folder for this very file, converting it when it is not there yet. Takes half a minute at most."""
    with gguf.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    folder = state_dir / f"{gguf.stem}-{digest[:16]}"
    if not folder.exists():
        convert(gguf, folder)
    return folder


def convert(gguf: Path, folder: Path) -> None:
    """Writes weights and tokenizer; `folder` appears whole or not at all, whoever else converts at the same time."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=".converting-", dir=folder.parent))
    try:
        _write(gguf, draft)
        draft.rename(folder)
    except OSError:
        # Another process was first: a folder cannot be renamed onto one that holds files.
        if not folder.exists():
            raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _write(gguf: Path, folder: Path) -> None:
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    # Imported here: this module can be read where they are not installed.
    import torch  # type: ignore[import-not-found]
    import transformers  # type: ignore[import-not-found]

    source = {"pretrained_model_name_or_path": str(gguf.parent), "gguf_file": gguf.name}
    transformers.AutoTokenizer.from_pretrained(**source).save_pretrained(folder)
    loaded = transformers.AutoModelForCausalLM.from_pretrained(**source, dtype=torch.float32)
    # A model read from a GGUF remembers that it was quantised and refuses to be saved: a plain one takes its weights.
    config = type(loaded.config)(**{k: v for k, v in loaded.config.to_dict().items() if k != "quantization_config"})
    plain = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    plain.load_state_dict(loaded.state_dict())
    plain.to(torch.bfloat16).save_pretrained(folder)


if __name__ == "__main__":
    convert(Path(sys.argv[1]), Path(sys.argv[2]))
