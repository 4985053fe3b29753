"""Write a checkpoint of the training as a model's folder.

python training/tiny_lrm/export.py OUT FOLDER
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import torch
from train import configuration
from transformers import GenerationConfig, LlamaForCausalLM, PreTrainedTokenizerFast


def main() -> None:
    """Weights in bfloat16, configuration, tokenizer and chat template."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("out", type=Path, help="what train.py wrote to")
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    tokenizer = PreTrainedTokenizerFast.from_pretrained(options.out)
    model = LlamaForCausalLM(configuration(tokenizer))
    model.load_state_dict(torch.load(options.out / "checkpoint.pt")["model"])
    model.generation_config = GenerationConfig(
        do_sample=False,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    model.to(torch.bfloat16).save_pretrained(options.folder)
    tokenizer.save_pretrained(options.folder)
    (options.folder / "model.safetensors").chmod(0o644)  # a package's files are for everybody
    shutil.copy(options.out / "curve.jsonl", Path(__file__).with_name("curve.jsonl"))


if __name__ == "__main__":
    main()
