"""llama.cpp's tokenizer, through the shared library inside the PyPI package xllamacpp (the C API of include/llama.h)."""

import ctypes

import xllamacpp
import xllamacpp.xllamacpp as extension


class ModelParams(ctypes.Structure):
    """struct llama_model_params as of xllamacpp 2026.10; `Vocabulary` checks what it can of the layout."""

    _fields_ = [
        ("devices", ctypes.c_void_p),
        ("tensor_buft_overrides", ctypes.c_void_p),
        ("n_gpu_layers", ctypes.c_int32),
        ("split_mode", ctypes.c_int),
        ("load_mode", ctypes.c_int),
        ("lazy_mode", ctypes.c_int),
        ("main_gpu", ctypes.c_int32),
        ("tensor_split", ctypes.c_void_p),
        ("progress_callback", ctypes.c_void_p),
        ("progress_callback_user_data", ctypes.c_void_p),
        ("kv_overrides", ctypes.c_void_p),
        ("vocab_only", ctypes.c_bool),
        ("check_tensors", ctypes.c_bool),
        ("use_extra_bufts", ctypes.c_bool),
        ("no_host", ctypes.c_bool),
        ("no_alloc", ctypes.c_bool),
        ("load_mtp", ctypes.c_bool),
    ]


VERSION = f"xllamacpp {xllamacpp.__version__}"
_lib = ctypes.CDLL(extension.__file__)
_lib.llama_model_default_params.restype = ModelParams
_lib.llama_model_load_from_file.argtypes = [ctypes.c_char_p, ModelParams]
_lib.llama_model_load_from_file.restype = ctypes.c_void_p
_lib.llama_model_get_vocab.argtypes = [ctypes.c_void_p]
_lib.llama_model_get_vocab.restype = ctypes.c_void_p
_lib.llama_tokenize.argtypes = [
    ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int32, ctypes.POINTER(ctypes.c_int32), ctypes.c_int32,
    ctypes.c_bool, ctypes.c_bool,
]
_lib.llama_token_to_piece.argtypes = [
    ctypes.c_void_p, ctypes.c_int32, ctypes.c_char_p, ctypes.c_int32, ctypes.c_int32, ctypes.c_bool,
]
for _name in ("n_tokens", "bos", "eos", "get_add_bos"):
    getattr(_lib, f"llama_vocab_{_name}").argtypes = [ctypes.c_void_p]
_lib.llama_vocab_get_add_bos.restype = ctypes.c_bool
for _name in ("is_eog", "is_control"):
    getattr(_lib, f"llama_vocab_{_name}").argtypes = [ctypes.c_void_p, ctypes.c_int32]
    getattr(_lib, f"llama_vocab_{_name}").restype = ctypes.c_bool


class Vocabulary:
    def __init__(self, path):
        params = _lib.llama_model_default_params()
        assert not params.vocab_only and not params.kv_overrides and not params.tensor_split, "struct has changed"
        params.vocab_only = True
        _lib.llama_backend_init()
        model = _lib.llama_model_load_from_file(str(path).encode(), params)
        assert model, f"llama.cpp cannot load {path}"
        self._vocab = _lib.llama_model_get_vocab(model)
        self.size = _lib.llama_vocab_n_tokens(self._vocab)
        self.bos = _lib.llama_vocab_bos(self._vocab)
        self.eos = _lib.llama_vocab_eos(self._vocab)
        self.add_bos = _lib.llama_vocab_get_add_bos(self._vocab)

    def tokenize(self, text, add_special, parse_special):
        ids = (ctypes.c_int32 * (4 * len(text) + 16))()
        count = _lib.llama_tokenize(self._vocab, text, len(text), ids, len(ids), add_special, parse_special)
        assert count >= 0
        return list(ids[:count])

    def piece(self, token):
        buffer = ctypes.create_string_buffer(4096)
        count = _lib.llama_token_to_piece(self._vocab, token, buffer, len(buffer), 0, True)
        assert count >= 0
        return buffer.raw[:count]

    def end_tokens(self):
        return [t for t in range(self.size) if _lib.llama_vocab_is_eog(self._vocab, t)]

    def control_tokens(self):
        return [t for t in range(self.size) if _lib.llama_vocab_is_control(self._vocab, t)]
