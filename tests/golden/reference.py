#!/usr/bin/env python3
"""A decoder in float64, read from a GGUF: the definition that our logits and llama.cpp's are compared with.

It is written to be read, not to be fast: one sequence, no cache, every matrix dequantised by the `gguf` package and
multiplied in double precision. Architectures: llama, qwen2, gemma3.

  reference.py MODEL.gguf --tokens FILE            prints the top token and its log-probability per position
  reference.py MODEL.gguf --tokens FILE --break X ...
      breaks one fact after the other (see BREAKS; `all`: each of them that concerns the architecture) and prints the mean
      KL divergence of the broken model from the intact one, and their top-1 agreement: of the first position, which
      kl_estimate.py says why it is apart, and of the others

Shapes: T tokens, Hq query heads, Hkv KV heads, G = Hq / Hkv, d head dim, E model dim, F feed-forward dim, V vocabulary.
"""
import argparse

import gguf
import numpy as np

from kl_estimate import FIRST_POSITION

# Every fact that a reimplementation can get wrong without crashing; `--break NAME` falsifies one.
# int8-activations is no error but the rounding that our integer kernels do; it predicts their distance.
BREAKS = {
    "int8-activations": "the input of every matrix product rounded to int8 per row and group of 32, scale amax / 127",
    "rope-pairing": "llama rotates neighbouring pairs, qwen2 and gemma3 halves: use the other one",
    "rope-base": "rope.freq_base times 1.5",
    "epsilon": "the epsilon of RMSNorm ten times too large",
    "qkv-bias": "qwen2 without the biases of q, k and v",
    "norm-plus-one": "gemma3's norm weights plus one (they are used as stored)",
    "embedding-scale": "gemma3 without the factor sqrt(E) on embeddings",
    "qk-norm": "gemma3 without the normalisation of q and k per head",
    "qk-norm-after-rope": "gemma3's q and k normalised after RoPE instead of before",
    "post-norms": "gemma3 without the norms after attention and after the feed-forward part",
    "post-norm-order": "gemma3's post norms applied after the residual sum instead of before",
    "all-local": "gemma3's layers 5, 11, 17 local (window and base 1e4) as the others",
    "all-global": "gemma3's other layers global (no window, base 1e6) as 5, 11, 17",
    "local-base": "gemma3's local layers with base 1e6",
    "global-base": "gemma3's global layers with base 1e4",
    "window": "gemma3's local layers without the window (base 1e4 kept)",
    "window-edge": "gemma3's window one position too wide: distances up to 512 instead of below",
    "activation": "SiLU and tanh-GELU exchanged",
}


# Which of them concern one architecture only; the rest concern all.
_ONLY = {"qkv-bias": "qwen2"} | {name: "gemma3" for name in (
    "norm-plus-one", "embedding-scale", "qk-norm", "qk-norm-after-rope", "post-norms", "post-norm-order",
    "all-local", "all-global", "local-base", "global-base", "window", "window-edge")}


class Config:
    """Hyperparameters of one file; every name as in the GGUF, without the architecture's prefix."""

    def __init__(self, reader):
        def value(key, default=None):
            field = reader.get_field(key)
            if field is None and default is None:
                raise KeyError(f"{key} is missing")
            return default if field is None else field.contents()

        self.architecture = value("general.architecture")
        if self.architecture not in ("llama", "qwen2", "gemma3"):
            raise ValueError(f"architecture {self.architecture} has no reference here")
        a = self.architecture + "."
        self.layers = value(a + "block_count")
        self.width = value(a + "embedding_length")
        self.query_heads = value(a + "attention.head_count")
        self.kv_heads = value(a + "attention.head_count_kv")
        self.head_dim = value(a + "attention.key_length", self.width // self.query_heads)
        self.epsilon = float(value(a + "attention.layer_norm_rms_epsilon"))
        self.rope_base = float(value(a + "rope.freq_base"))
        self.rope_halves = self.architecture != "llama"
        self.gemma = self.architecture == "gemma3"
        self.window = value(a + "attention.sliding_window") if self.gemma else 0

    def is_local(self, layer):
        """gemma3: five local layers, then a global one, and so on."""
        return self.gemma and layer % 6 != 5


def rms_norm(x, weight, epsilon):
    return x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + epsilon) * weight


def int8_rounded(x):
    """x [T, K] as our integer kernels see it: groups of 32 along K, a = rne(x * 127 / amax), times amax / 127."""
    groups = x.reshape(len(x), -1, 32)
    scale = np.abs(groups).max(axis=2, keepdims=True) / 127
    return (np.rint(groups / np.where(scale == 0, 1, scale)) * scale).reshape(x.shape)


def silu(x):
    return x / (1 + np.exp(-x))


def gelu_tanh(x):
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def rope(x, base, halves):
    """Rotates x [T, H, d] by position * base^(-2i/d); pairs are (i, i + d/2) or (2i, 2i + 1). Su et al. 2021."""
    d = x.shape[-1]
    angle = np.arange(x.shape[0])[:, None, None] * base ** (-np.arange(0, d, 2) / d)
    cos, sin = np.cos(angle), np.sin(angle)
    first, second = (x[..., : d // 2], x[..., d // 2:]) if halves else (x[..., 0::2], x[..., 1::2])
    out = np.empty_like(x)
    if halves:
        out[..., : d // 2], out[..., d // 2:] = first * cos - second * sin, first * sin + second * cos
    else:
        out[..., 0::2], out[..., 1::2] = first * cos - second * sin, first * sin + second * cos
    return out


class Reference:
    """One model; `broken` is a name of BREAKS or None."""

    def __init__(self, path, broken=None):
        reader = gguf.GGUFReader(path)
        self.config = Config(reader)
        self._tensors = {tensor.name: tensor for tensor in reader.tensors}
        self._broken = broken

    def _weight(self, name):
        tensor = self._tensors[name]
        return gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float64)

    def _times(self, x, name):
        """x [T, K] times the transpose of a weight [N, K]: [T, N]."""
        return self._activations(x) @ self._weight(name).T

    def _activations(self, x):
        return int8_rounded(x) if self._broken == "int8-activations" else x

    def _norm(self, x, name):
        weight = self._weight(name + ".weight") + (self._broken == "norm-plus-one" and self.config.gemma)
        return rms_norm(x, weight, self.config.epsilon * (10 if self._broken == "epsilon" else 1))

    def _heads(self, x, layer, name):
        """q, k or v of x [T, E]: [T, H, d]."""
        y = self._times(x, f"blk.{layer}.attn_{name}.weight")
        bias = f"blk.{layer}.attn_{name}.bias"
        if bias in self._tensors and self._broken != "qkv-bias":
            y = y + self._weight(bias)
        return y.reshape(len(x), -1, self.config.head_dim)

    def _rope_and_window(self, layer):
        """(base, window) of one layer; window 0 is none, otherwise distances below it are seen."""
        c, broken = self.config, self._broken
        local = c.is_local(layer)
        if broken == "all-local":
            local = c.gemma
        if broken == "all-global":
            local = False
        base = 1e4 if local else c.rope_base
        if broken == "rope-base":
            base *= 1.5
        if broken == "local-base" and local:
            base = c.rope_base
        if broken == "global-base" and c.gemma and not local:
            base = 1e4
        window = 0 if not local or broken == "window" else c.window + (broken == "window-edge")
        return base, window

    def _rotated(self, x, layer, name, base):
        """q or k with its norm (gemma3) and RoPE."""
        c, broken = self.config, self._broken
        halves = c.rope_halves != (broken == "rope-pairing")
        heads = self._heads(x, layer, name)
        norm = f"blk.{layer}.attn_{name}_norm"
        if norm + ".weight" not in self._tensors or broken == "qk-norm":
            return rope(heads, base, halves)
        if broken == "qk-norm-after-rope":
            return self._norm(rope(heads, base, halves), norm)
        return rope(self._norm(heads, norm), base, halves)

    def _attention(self, x, layer):
        c = self.config
        base, window = self._rope_and_window(layer)
        q = self._rotated(x, layer, "q", base)
        k = self._rotated(x, layer, "k", base)
        v = self._heads(x, layer, "v")
        distance = np.arange(len(x))[:, None] - np.arange(len(x))[None, :]
        seen = (distance >= 0) if window == 0 else (distance >= 0) & (distance < window)
        out = np.empty((len(x), c.query_heads, c.head_dim))
        for head in range(c.query_heads):
            kv = head // (c.query_heads // c.kv_heads)
            score = np.where(seen, q[:, head] @ k[:, kv].T / np.sqrt(c.head_dim), -np.inf)
            weight = np.exp(score - score.max(axis=1, keepdims=True))
            out[:, head] = weight @ v[:, kv] / weight.sum(axis=1, keepdims=True)
        return self._times(out.reshape(len(x), -1), f"blk.{layer}.attn_output.weight")

    def _feed_forward(self, x, layer):
        activation = gelu_tanh if self.config.gemma != (self._broken == "activation") else silu
        gate = activation(self._times(x, f"blk.{layer}.ffn_gate.weight"))
        up = self._times(x, f"blk.{layer}.ffn_up.weight")
        return self._times(gate * up, f"blk.{layer}.ffn_down.weight")

    def _residual(self, x, y, post_norm):
        """x + y, where gemma3 normalises y first."""
        if not self.config.gemma or self._broken == "post-norms":
            return x + y
        if self._broken == "post-norm-order":
            return self._norm(x + y, post_norm)
        return x + self._norm(y, post_norm)

    def hidden(self, tokens):
        """The normalised last hidden state [T, E] of a token sequence."""
        c = self.config
        x = self._embedding(tokens)
        if c.gemma and self._broken != "embedding-scale":
            x = x * np.sqrt(c.width)
        for layer in range(c.layers):
            block = f"blk.{layer}."
            attended = self._attention(self._norm(x, block + "attn_norm"), layer)
            x = self._residual(x, attended, block + "post_attention_norm")
            fed = self._feed_forward(self._norm(x, block + "ffn_norm"), layer)
            x = self._residual(x, fed, block + "post_ffw_norm")
        return self._norm(x, "output_norm")

    def _embedding(self, tokens):
        tensor = self._tensors["token_embd.weight"]
        return gguf.quants.dequantize(tensor.data[tokens], tensor.tensor_type).astype(np.float64)

    def log_probabilities(self, tokens):
        """Natural log-probabilities [T, V] of the token behind each position, teacher-forced."""
        hidden = self._activations(self.hidden(tokens))
        name = "output.weight" if "output.weight" in self._tensors else "token_embd.weight"
        tensor = self._tensors[name]
        logits = np.empty((len(hidden), tensor.data.shape[0]))
        for begin in range(0, logits.shape[1], 16384):  # 16384 rows of E = 1536 in float64: 192 MiB
            rows = gguf.quants.dequantize(tensor.data[begin:begin + 16384], tensor.tensor_type)
            logits[:, begin:begin + 16384] = hidden @ rows.astype(np.float64).T
        logits -= logits.max(axis=1, keepdims=True)
        for row in logits:  # in place and row by row: [640, 262144] in float64 is 1.25 GiB already
            row -= np.log(np.exp(row).sum())
        return logits


def mean_kl(p_log, q_log):
    """Mean over positions of KL(p || q), both natural log-probabilities [T, V]."""
    return float(np.mean([np.sum(np.exp(p) * (p - q)) for p, q in zip(p_log, q_log)]))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--tokens", required=True, help="file of token ids, separated by white space")
    parser.add_argument("--break", dest="broken", nargs="+", choices=["all", *BREAKS])
    arguments = parser.parse_args()
    tokens = np.loadtxt(arguments.tokens, dtype=np.int64, ndmin=1)
    reference = Reference(arguments.model)
    intact = reference.log_probabilities(tokens)
    if not arguments.broken:
        for position, row in enumerate(intact):
            print(position, int(row.argmax()), f"{row.max():.6f}")
        return
    architecture = reference.config.architecture
    names = arguments.broken if arguments.broken != ["all"] else [
        name for name in BREAKS if _ONLY.get(name, architecture) == architecture]
    for name in names:
        broken = Reference(arguments.model, name).log_probabilities(tokens)
        top1 = np.mean((intact.argmax(axis=1) == broken.argmax(axis=1))[FIRST_POSITION:])
        kl = mean_kl(intact[FIRST_POSITION:], broken[FIRST_POSITION:])
        first = mean_kl(intact[:FIRST_POSITION], broken[:FIRST_POSITION])
        print(f"{architecture} {name}: mean KL {kl:.6f}, top-1 {100 * top1:.2f} %; first {first:.6f}", flush=True)


if __name__ == "__main__":
    main()
