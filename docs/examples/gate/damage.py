"""Damages a copy of a GGUF model: sets a share of its quantized weight blocks to zero.

    python damage.py MODEL.gguf DAMAGED.gguf [SHARE]

Stands for a compression that went wrong. Needs the package gguf (`pip install 'lrmtest[cpu]'`).
"""

import shutil
import sys

import numpy as np
from gguf import GGUFReader
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType


def main() -> None:
    source, target = sys.argv[1:3]
    share = float(sys.argv[3]) if len(sys.argv) > 3 else 0.004
    shutil.copyfile(source, target)
    draw = np.random.default_rng(0)
    blocks = damaged = 0
    for tensor in GGUFReader(target, "r+").tensors:
        if tensor.tensor_type in (GGMLQuantizationType.F32, GGMLQuantizationType.F16):
            continue  # norms, not matrices
        _, size = GGML_QUANT_SIZES[tensor.tensor_type]
        rows = tensor.data.reshape(-1, size)
        chosen = draw.random(len(rows)) < share
        rows[chosen] = 0
        blocks += len(rows)
        damaged += int(chosen.sum())
    print(f"{damaged:,} of {blocks:,} blocks of weights set to zero in {target}")


if __name__ == "__main__":
    main()
