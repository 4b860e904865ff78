"""Writes blocks.bin: blocks of each quantised GGUF format and their values as the gguf package dequantises them.

Blocks of formats that occur in the given model files are taken from there, the rest are random codes with ordinary
scales. Records follow each other, little endian: u32 ggml type, u32 bytes, u32 values, the bytes, the values as f32.

    python3 tests/golden/dequant/make.py MODEL.gguf ...
"""
import pathlib
import sys

import gguf
import numpy as np

VALUES = 512
# Where a random block needs a finite f16.
SCALE_OFFSETS = {"Q8_0": [0], "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q2_K": [80, 82],
                 "Q3_K": [108], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208]}


def random_blocks(kind, elements, size, rng):
    blocks = rng.integers(0, 256, (VALUES // elements, size), dtype=np.uint8)
    for at in SCALE_OFFSETS[kind.name]:
        scales = rng.normal(0, 0.02, len(blocks)).astype(np.float16)
        blocks[:, at:at + 2] = scales.view(np.uint8).reshape(-1, 2)
    return blocks.reshape(-1)


def main():
    real = {}
    for path in sys.argv[1:]:
        for tensor in gguf.GGUFReader(path).tensors:
            if tensor.tensor_type.name in SCALE_OFFSETS:
                real.setdefault(tensor.tensor_type.name, tensor)
    rng = np.random.default_rng(3)
    with open(pathlib.Path(__file__).with_name("blocks.bin"), "wb") as out:
        for name in SCALE_OFFSETS:
            kind = gguf.GGMLQuantizationType[name]
            elements, size = gguf.GGML_QUANT_SIZES[kind]
            count = VALUES // elements * size
            if name in real:
                data = np.ascontiguousarray(real[name].data).reshape(-1)[:count].view(np.uint8)
            else:
                data = random_blocks(kind, elements, size, rng)
            values = gguf.quants.dequantize(data, kind).astype(np.float32).reshape(-1)
            np.array([kind.value, len(data), len(values)], dtype=np.uint32).tofile(out)
            data.tofile(out)
            values.tofile(out)
            print(name, "from", real[name].name if name in real else "random codes")


main()
