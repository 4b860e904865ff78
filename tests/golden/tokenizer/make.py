#!/usr/bin/env python3
"""Writes <model>.json beside itself: the ids that llama.cpp gives for the corpus, which the tests compare with `==`.

    tests/golden/tokenizer/make.py [MODEL ...]

Needs the PyPI packages of requirements.txt and the models (deploy/models/fetch NAME). Each case is
[hex of the bytes, ids without parse_special, ids with it], both with add_special. The file of smollm2-135m also holds the
ids of the same strings under the other pre-tokenizers ("pre NAME"), without parse_special.
"""

import hashlib
import json
import os
import pathlib
import sys

import chats
import corpus
import llama_cpp
import pre_variants

HERE = pathlib.Path(__file__).parent
MODELS = ["smollm2-135m", "gemma3-270m", "qwen2.5-coder-1.5b"]
VARIANTS_OF = "smollm2-135m"


def lines_of(entries):
    return "[\n" + ",\n".join(json.dumps(entry, separators=(",", ":")) for entry in entries) + "\n]"


def pieces_digest(vocabulary):
    """SHA-256 over every token's piece: its length in bytes, decimal, a newline, the bytes."""
    digest = hashlib.sha256()
    for token in range(vocabulary.size):
        piece = vocabulary.piece(token)
        digest.update(f"{len(piece)}\n".encode() + piece)
    return digest.hexdigest()


def make(model):
    folder = pathlib.Path(os.environ.get("LONGSHORE_MODELS", "~/.cache/longshore/models")).expanduser()
    path = folder / f"{model}.gguf"
    if not path.exists():
        sys.exit(f"{path} is missing: deploy/models/fetch {model}")
    vocabulary = llama_cpp.Vocabulary(path)
    head = {
        "model": model,
        "made_by": llama_cpp.VERSION,
        "vocabulary_size": vocabulary.size,
        "bos": vocabulary.bos,
        "eos": vocabulary.eos,
        "add_bos": vocabulary.add_bos,
        "end_tokens": vocabulary.end_tokens(),
        "control_token_count": len(vocabulary.control_tokens()),
        "pieces_sha256": pieces_digest(vocabulary),
    }
    texts = corpus.corpus()
    cases = [[t.hex(), vocabulary.tokenize(t, True, False), vocabulary.tokenize(t, True, True)] for t in texts]
    conversations = chats.render_all(path, vocabulary)
    variants = pre_variants.tokenize_all(path, texts) if model == VARIANTS_OF else {}
    parts = [json.dumps(head)[1:-1]]
    parts += [f'"pre {name}": {lines_of(ids)}' for name, ids in variants.items()]
    parts += [f'"chats": {lines_of(conversations)}', f'"cases": {lines_of(cases)}']
    (HERE / f"{model}.json").write_text("{" + ",\n".join(parts) + "}\n")
    print(f"{model}: {len(cases)} strings, {len(conversations)} conversations, {len(variants)} other pre-tokenizers")


if __name__ == "__main__":
    for name in sys.argv[1:] or MODELS:
        make(name)
