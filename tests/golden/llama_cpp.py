"""llama.cpp's tokens and logits, through the C interface that the xllamacpp wheel exports.

Only make.py uses this: the values are stored, and no test needs llama.cpp. The two parameter structures are passed
as opaque blocks larger than any version's; of their fields only the five leading sizes and the thread counts are
touched, and open() checks that they hold the documented defaults where we expect them.
"""
import ctypes

import numpy as np


class _Parameters(ctypes.Structure):
    _fields_ = [("words", ctypes.c_uint32 * 512)]


class _Batch(ctypes.Structure):
    _fields_ = [
        ("n_tokens", ctypes.c_int32),
        ("token", ctypes.POINTER(ctypes.c_int32)),
        ("embd", ctypes.c_void_p),
        ("pos", ctypes.POINTER(ctypes.c_int32)),
        ("n_seq_id", ctypes.POINTER(ctypes.c_int32)),
        ("seq_id", ctypes.POINTER(ctypes.POINTER(ctypes.c_int32))),
        ("logits", ctypes.POINTER(ctypes.c_int8)),
    ]


# Drops llama.cpp's log; failures come back as return values.
_SILENT = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)(lambda *_: None)

# Word index of the fields of llama_context_params that we set, and the default found there.
_N_CTX, _N_BATCH, _N_UBATCH, _N_THREADS, _N_THREADS_BATCH = 0, 1, 2, 7, 8
_DEFAULTS = {_N_CTX: 512, _N_BATCH: 2048, _N_UBATCH: 512, _N_THREADS: 4, _N_THREADS_BATCH: 4}


class LlamaCpp:
    """One model with a context of `context` tokens, f16 KV, default attention, 2 threads."""

    def __init__(self, path, context=2048):
        import xllamacpp

        self.version = f"xllamacpp {xllamacpp.__version__}"
        lib = self._lib = ctypes.CDLL(xllamacpp.xllamacpp.__file__)
        for name in ("llama_model_default_params", "llama_context_default_params"):
            getattr(lib, name).restype = _Parameters
        for name in ("llama_model_load_from_file", "llama_init_from_model", "llama_model_get_vocab"):
            getattr(lib, name).restype = ctypes.c_void_p
        lib.llama_get_logits_ith.restype = ctypes.POINTER(ctypes.c_float)
        lib.llama_batch_init.restype = _Batch
        lib.llama_vocab_n_tokens.restype = ctypes.c_int32
        lib.llama_log_set(_SILENT, None)
        lib.llama_backend_init()
        self._model = ctypes.c_void_p(
            lib.llama_model_load_from_file(str(path).encode(), lib.llama_model_default_params()))
        if not self._model:
            raise RuntimeError(f"llama.cpp cannot load {path}")
        parameters = lib.llama_context_default_params()
        for index, default in _DEFAULTS.items():
            if parameters.words[index] != default:
                raise RuntimeError(f"llama_context_params has changed: word {index} is "
                                   f"{parameters.words[index]}, not {default}; correct llama_cpp.py")
        parameters.words[_N_CTX] = context
        parameters.words[_N_BATCH] = context
        parameters.words[_N_THREADS] = parameters.words[_N_THREADS_BATCH] = 2
        self._context = ctypes.c_void_p(lib.llama_init_from_model(self._model, parameters))
        self._vocab = ctypes.c_void_p(lib.llama_model_get_vocab(self._model))
        self.vocab_size = lib.llama_vocab_n_tokens(self._vocab)

    def tokenize(self, text):
        """Token ids of `text`, with the tokens that the model adds by itself, special tokens not parsed."""
        data = text.encode()
        out = (ctypes.c_int32 * (len(data) + 8))()
        count = self._lib.llama_tokenize(self._vocab, data, len(data), out, len(out),
                                         ctypes.c_bool(True), ctypes.c_bool(False))
        if count < 0:
            raise RuntimeError("llama_tokenize failed")
        return np.array(out[:count], dtype=np.int32)

    def logits(self, tokens):
        """Yields the f32 logits [V] behind each token of `tokens`, teacher-forced in one batch."""
        count = len(tokens)
        batch = self._lib.llama_batch_init(ctypes.c_int32(count), ctypes.c_int32(0), ctypes.c_int32(1))
        batch.n_tokens = count
        for i, token in enumerate(tokens):
            batch.token[i], batch.pos[i] = int(token), i
            batch.n_seq_id[i], batch.seq_id[i][0], batch.logits[i] = 1, 0, 1
        status = self._lib.llama_decode(self._context, batch)
        if status != 0:
            raise RuntimeError(f"llama_decode answered {status}")
        for i in range(count):
            row = self._lib.llama_get_logits_ith(self._context, ctypes.c_int32(i))
            yield np.ctypeslib.as_array(row, shape=(self.vocab_size,))
        self._lib.llama_batch_free(batch)
