"""Rounding: the weights of each row become the nearest of 2^bits - 1 evenly spaced values."""

import shutil

from lrmtest.compress import BITS, CompressionMethod, CompressionResult


def rounded(W, bits):
    """`W`, (rows, columns), on a grid about zero that the largest weight of a row spans."""
    top = 2 ** (bits - 1) - 1
    scale = W.abs().amax(1, keepdim=True).float().clamp(min=1e-12) / top
    return ((W.float() / scale).round() * scale).to(W.dtype)


def make(task):
    """Write the variant: everything as it is in the parent, but for the layers' matrices."""
    from safetensors.torch import load_file, save_file

    source, bits = task.safetensors(), task.options["bits"]
    weights = shutil.ignore_patterns("*.safetensors")
    shutil.copytree(source, task.folder, ignore=weights, dirs_exist_ok=True)
    files = {path.name: load_file(path) for path in sorted(source.glob("*.safetensors"))}
    tensors = {name: t for file in files.values() for name, t in file.items()}
    matrices = {n for n, t in tensors.items() if ".layers." in n and t.ndim == 2}
    sizes = {name.removesuffix(".weight"): tensors[name].numel() for name in matrices}
    kept = task.protection.chosen(sizes)
    taken = {name for name in matrices if name.removesuffix(".weight") not in kept}
    for number, (file, held) in enumerate(files.items(), start=1):
        for name in taken & held.keys():
            held[name] = rounded(held[name], bits)
        save_file(held, task.folder / file, metadata={"format": "pt"})
        task.tell(f"file {number} of {len(files)} is rounded")
    # As it would be stored packed: a 16-bit scale for each row, and 16 bits for other weights.
    stored = sum(
        t.numel() * bits + len(t) * 16 if name in taken else t.numel() * 16
        for name, t in tensors.items()
    )
    return CompressionResult(
        note=f"rounded to {bits} bits",
        bits_per_weight=stored / sum(t.numel() for t in tensors.values()),
        notes=("weights are stored as the 16-bit values that they stand for",),
    )


ROUNDING = CompressionMethod(
    "rounding", family="rounding", make=make, options=(BITS,), calibrated=False
)
