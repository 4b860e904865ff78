"""The other pre-tokenizers, over a real vocabulary: copies of a model file's metadata with another name in `pre`."""

import pathlib
import tempfile

import gguf
import llama_cpp

NAMES = ["gpt-2", "llama-bpe", "default"]


def _copy_with_pre(reader, pre, path):
    writer = gguf.GGUFWriter(path, reader.fields["general.architecture"].contents())
    for name, field in reader.fields.items():
        if name.startswith("GGUF.") or name == "general.architecture":
            continue
        kind, element = field.types[0], field.types[-1] if len(field.types) > 1 else None
        value = pre if name == "tokenizer.ggml.pre" else field.contents()
        writer.add_key_value(name, value, kind, element)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()


def tokenize_all(path, texts):
    """{name: [ids of each text, with add_special and without parse_special]}"""
    reader = gguf.GGUFReader(path)
    result = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in NAMES:
            copy = pathlib.Path(folder) / f"{name}.gguf"
            _copy_with_pre(reader, name, copy)
            vocabulary = llama_cpp.Vocabulary(copy)
            result[name] = [vocabulary.tokenize(text, True, False) for text in texts]
    return result
