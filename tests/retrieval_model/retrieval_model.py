#!/usr/bin/env python3
"""A language model whose weights are written down, not trained: it finds a key in its context and repeats what followed it.

  retrieval_model.py OUT.gguf [--tokens 8192] [--rope-base 1e6] [--group 3] [--architecture qwen2 --key-offset 100] ...

It has two layers without feed-forward part and continues every pair of tokens that it has seen before: it is an induction
head (Olsson et al. 2022, arXiv 2209.11895). Given noise, then KEY v1 .. v6 somewhere, more noise and KEY again, a program
that attends to all of the context answers v1 .. v6 at any length, and one that loses the six positions does not: the
retrieval tasks of RULER (Hsieh et al. 2024, arXiv 2404.06654) in a form that needs no trained weights.

Residual, H wide (c = 8; n values for each token, in unit vectors):

    [ c | e(token) | s0(token) | s1(token) | previous | out | 0 ... ]        slots of 1, n, n, n, n and n values

  e(token)        a random unit vector: what the token is, as others see it.
  s0, s1          what the token seeks. Of a token of class h (its id modulo 2), sh is a unit vector at the cosine
                  1 / sqrt(1 + sigma^2) from e(token), and the other one is zero. sigma = 0: sh = e(token).
  previous, out   zero in the embedding; layer 0 writes the first, layer 1 the second.

RoPE (Su et al. 2021, arXiv 2104.09864) turns pair f of position p by p * theta_f, with theta_f = base^(-2f / d) and d = 128.
Pairs with theta_f > 0.02 are fast: they tell positions apart. Pairs with theta_f * tokens < 0.5 are slow: between any two
positions of the context they turn by less than 0.5, whose cosine is 0.88, so they carry content; n is twice their number,
at most 50. (Of two vectors in slow pairs, the turn multiplies each pair's part of the product by its cosine, and adds its
sine times a cross product, which is zero for equal vectors.)

  Layer 0, both KV heads: the token before. q and k are constants from the residual's c. In each fast pair
      q_f = beta1 sqrt(d) (1, 0),  k_f = (1, 0) turned by theta_f,  q . k / sqrt(d) = beta1 sum_f cos(theta_f (i - j - 1)),
  greatest at j = i - 1; beta1 = 12 leaves all others of 32,768 positions together a weight of 2e-7 (base 1e6), 1.3e-5 (1e9).
  V copies e: head 0 the first half of it, head 1 the second, and the output projection puts both into previous. (Position 0
  sees itself alone: there, previous is e.)
  Layer 1, KV head h: the token behind an earlier one. In the slow pairs q = beta2 sqrt(d) sh(token) and k = previous, so
  position j scores about beta2 e(token) . e(token before j), with beta2 = 60; V copies e and the output projection
  adds it to out. KV head h answers for the tokens of its class alone, so that losing one head, or its part of the context,
  loses those. For a token of the other class q is zero: the head returns the mean of e over what it sees, which is
  about 1 / sqrt(positions) long.
  Output: logits = 30 e . out.

RMSNorm divides by sqrt(|x|^2 / H + epsilon). |x|^2 does not depend on the token: every slot written is a unit vector, so it
is c^2 + 2 at layer 0 and, but for that weight of the others, c^2 + 3 at layer 1. Norm weights of just that root make the
norm the identity there. At the end |x|^2 = c^2 + 3 + |out|^2; the weights are for |out| = 1, which is that of a value found.
Elsewhere |out| is between 0 and 2, and all logits of a row are multiplied by one number within 3 % of 1.

Variants: `group` query heads to each KV head, all equal, each with 1 / group of the output projection; architecture qwen2,
whose RoPE turns halves; `key_offset` as a bias of K, before RoPE, in the pairs that are neither fast nor slow: no query
reads it, and all that it can do is to coarsen K where K is stored in few bits.

Measured with `longshore logits`, f16 KV, values answered of six at depths 0.1, 0.5 and 0.9, in each of 12 seeds of model and
prompt: full attention 6 6 6 at 2,048 and at 8,192 tokens, where the least lead of a right logit is 7.6;
window:sinks=4,window=1024 0 0 6 at both. At 32,768 tokens (rope_base 1e9, one seed) full attention 6 6 6. At 2,048 tokens,
one seed, sigma: all of 30 values up to 1.5, 15 at 2, none at 2.5; key_offset 100 (qwen2): with q8_0 KV 2 of 12 values, with
f16 all; key_offset 30: all with both.

All weights are F32, which the runtime multiplies as they are. A token's text is a space and three letters, so text
tokenizes to the ids it stands for.
"""
import argparse
import dataclasses
import itertools
import math

import gguf
import numpy as np

HEAD_DIM = 128
KV_HEADS = 2
LAYERS = 2
FEED_FORWARD = 32  # zeros; the least that the kernels' groups of 32 allow
EPSILON = 1e-6

CONSTANT = 8.0
BETA_PREVIOUS = 12.0
BETA_MATCH = 60.0
BETA_OUTPUT = 30.0
FAST_PAIR_MIN = 0.02   # radians per position
SLOW_TURN_MAX = 0.5    # radians over the whole context
CONTENT_MAX = 50
# With fewer values some pair of random vectors of a vocabulary of 2,048 has a cosine near that of a token with itself.
CONTENT_MIN = 32
# Positions behind `tokens` that the file allows for: the answers.
ALLOWANCE = 64

# Letters that make the words of the vocabulary. The second letter is never a first or a third, so no other two neighbours
# of a word can merge, and each word merges in one way: ab, abc, space abc.
_OUTER, _INNER = "bcdfgjklmnprstvz", "aeiouyhw"
WORDS = ["".join(letters) for letters in itertools.product(_OUTER, _INNER, _OUTER)]


@dataclasses.dataclass(frozen=True)
class Options:
    """What the model is made for; ValueError, naming the option, where it cannot be made so."""

    tokens: int = 8192            # of the longest prompt, [128, 2^19]
    rope_base: float = 1e6
    vocabulary: int = 2048        # [64, 2048]
    group: int = 1                # query heads of each KV head, [1, 16]
    architecture: str = "llama"   # or qwen2
    key_offset: float = 0.0       # bias of K, [0, 1000]
    sigma: float = 0.0            # of what a token seeks, [0, 10]; see the formula above
    seed: int = 1

    def __post_init__(self):
        for name, low, high in (("tokens", 128, 1 << 19), ("rope_base", 1e3, 1e12),
                                ("vocabulary", 64, len(WORDS)),
                                ("group", 1, 16), ("key_offset", 0, 1000), ("sigma", 0, 10), ("seed", 0, 1 << 62)):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f"{name} is {value}; it must be in [{low}, {high}]")
        if self.architecture not in ("llama", "qwen2"):
            raise ValueError(f"architecture is {self.architecture}; it may be llama or qwen2")
        if self.content < CONTENT_MIN:
            raise ValueError(f"rope_base is {self.rope_base:g}: only {self.content // 2} pairs turn by less than "
                             f"{SLOW_TURN_MAX} over {self.tokens} tokens, and {CONTENT_MIN // 2} are needed; "
                             "raise rope_base or lower tokens")

    @property
    def frequencies(self):
        """Radians per position of each pair: [HEAD_DIM / 2], descending."""
        return self.rope_base ** (-np.arange(0, HEAD_DIM, 2) / HEAD_DIM)

    @property
    def fast_pairs(self):
        return np.flatnonzero(self.frequencies > FAST_PAIR_MIN)

    @property
    def slow_pairs(self):
        """The slowest ones, as many as content needs."""
        return np.flatnonzero(self.frequencies * self.tokens < SLOW_TURN_MAX)[-CONTENT_MAX // 2:]

    @property
    def content(self):
        """n: values of a token's vector, even."""
        return 2 * len(self.slow_pairs)

    @property
    def width(self):
        """H: a multiple of 32, which the kernels need."""
        return max(256, -(-(1 + 5 * self.content) // 32) * 32)

    def slot(self, name):
        """The slice of the residual that holds a slot; `constant` or one of the five of n values."""
        if name == "constant":
            return slice(0, 1)
        begin = 1 + ("token", "seek0", "seek1", "previous", "out").index(name) * self.content
        return slice(begin, begin + self.content)

    def dimensions(self, pairs):
        """The two dimensions of a head that RoPE turns together, for each pair: [pairs, 2]."""
        pairs = np.asarray(pairs)
        if self.architecture == "llama":
            return np.stack([2 * pairs, 2 * pairs + 1], axis=1)
        return np.stack([pairs, pairs + HEAD_DIM // 2], axis=1)


def token_class(token):
    """The KV head of layer 1 that answers for a token."""
    return token % KV_HEADS


def _unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def _embedding(options, rng):
    """(rows of the embedding [V, H], e [V, n]), both float64."""
    n, size = options.content, options.vocabulary
    e = _unit(rng.standard_normal((size, n)))
    off = rng.standard_normal((size, n))
    off = _unit(off - np.sum(off * e, axis=1, keepdims=True) * e)  # at right angles to e, so the cosine is exact
    seek = (e + options.sigma * off) / math.sqrt(1 + options.sigma**2)
    rows = np.zeros((size, options.width))
    rows[:, options.slot("constant")] = CONSTANT
    rows[:, options.slot("token")] = e
    for head in range(KV_HEADS):
        mine = token_class(np.arange(size)) == head
        rows[mine, options.slot(f"seek{head}")] = seek[mine]
    return rows, e


def _previous_token_layer(options):
    """q, k, v ([heads, d, H]) and output ([H, heads, d]) of layer 0."""
    heads = KV_HEADS * options.group
    q, k = np.zeros((heads, HEAD_DIM, options.width)), np.zeros((KV_HEADS, HEAD_DIM, options.width))
    v, output = np.zeros_like(k), np.zeros((options.width, heads, HEAD_DIM))
    real, imaginary = options.dimensions(options.fast_pairs).T
    turn = options.frequencies[options.fast_pairs]
    q[:, real, 0] = BETA_PREVIOUS * math.sqrt(HEAD_DIM) / CONSTANT
    k[:, real, 0], k[:, imaginary, 0] = np.cos(turn) / CONSTANT, np.sin(turn) / CONSTANT
    half = options.content // 2
    copied = np.arange(half)
    for head in range(KV_HEADS):
        v[head, copied, options.slot("token").start + head * half + copied] = 1
        for query in range(head * options.group, (head + 1) * options.group):
            output[options.slot("previous").start + head * half + copied, query, copied] = 1 / options.group
    return q, k, v, output


def _induction_layer(options):
    """The same of layer 1."""
    heads = KV_HEADS * options.group
    q, k = np.zeros((heads, HEAD_DIM, options.width)), np.zeros((KV_HEADS, HEAD_DIM, options.width))
    v, output = np.zeros_like(k), np.zeros((options.width, heads, HEAD_DIM))
    slow = options.dimensions(options.slow_pairs).ravel()
    copied = np.arange(options.content)
    for head in range(KV_HEADS):
        k[head, slow, options.slot("previous").start + copied] = 1
        v[head, copied, options.slot("token").start + copied] = 1
        for query in range(head * options.group, (head + 1) * options.group):
            q[query, slow, options.slot(f"seek{head}").start + copied] = BETA_MATCH * math.sqrt(HEAD_DIM)
            output[options.slot("out").start + copied, query, copied] = 1 / options.group
    return q, k, v, output


def _key_bias(options):
    """[KV_HEADS * d]: the offset in the pairs that no query reads."""
    unread = np.ones(HEAD_DIM // 2, dtype=bool)
    unread[options.fast_pairs] = unread[options.slow_pairs] = False
    bias = np.zeros((KV_HEADS, HEAD_DIM))
    bias[:, options.dimensions(np.flatnonzero(unread)).ravel()] = options.key_offset
    return bias.ravel()


def tensors(options):
    """The model's tensors by their names in a GGUF, f32; a matrix is [outputs, inputs]."""
    width = options.width
    embedding, e = _embedding(options, np.random.default_rng(options.seed))
    out = {"token_embd.weight": embedding}
    for layer, (q, k, v, output) in enumerate((_previous_token_layer(options), _induction_layer(options))):
        block = f"blk.{layer}."
        norm = math.sqrt((CONSTANT**2 + 2 + layer) / width + EPSILON)
        out |= {block + "attn_norm.weight": np.full(width, norm),
                block + "attn_q.weight": q.reshape(-1, width),
                block + "attn_k.weight": k.reshape(-1, width),
                block + "attn_v.weight": v.reshape(-1, width),
                block + "attn_output.weight": output.reshape(width, -1),
                block + "ffn_norm.weight": np.ones(width),
                block + "ffn_gate.weight": np.zeros((FEED_FORWARD, width)),
                block + "ffn_up.weight": np.zeros((FEED_FORWARD, width)),
                block + "ffn_down.weight": np.zeros((width, FEED_FORWARD))}
        if options.key_offset:
            out |= {block + "attn_q.bias": np.zeros(len(q) * HEAD_DIM),
                    block + "attn_k.bias": _key_bias(options),
                    block + "attn_v.bias": np.zeros(KV_HEADS * HEAD_DIM)}
    out["output_norm.weight"] = np.full(width, math.sqrt((CONSTANT**2 + 4) / width + EPSILON))
    out["output.weight"] = np.zeros((options.vocabulary, width))
    out["output.weight"][:, options.slot("out")] = BETA_OUTPUT * e
    return {name: np.ascontiguousarray(values, dtype=np.float32) for name, values in out.items()}


def text(tokens):
    """What tokenizes to `tokens`."""
    return "".join(" " + WORDS[token] for token in tokens)


def _add_vocabulary(writer, size):
    """A byte-pair vocabulary of `size` words with a space before each, all of them normal tokens."""
    space = "\u0120"  # how byte-pair vocabularies write it
    pairs = [a + " " + b for a, b in itertools.product(_OUTER, _INNER)]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list([space + word for word in WORDS[:size]])
    writer.add_token_types([gguf.TokenType.NORMAL] * size)
    writer.add_token_merges(pairs + [word[:2] + " " + word[2] for word in WORDS[:size]]
                            + [space + " " + word for word in WORDS[:size]])
    writer.add_add_bos_token(False)
    writer.add_add_eos_token(False)


def write(path, options, weights=None):
    """Writes the model as a GGUF; weights: tensors(options), perhaps changed."""
    writer = gguf.GGUFWriter(str(path), options.architecture)
    writer.add_name("retrieval")
    writer.add_context_length(options.tokens + ALLOWANCE)
    writer.add_embedding_length(options.width)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(FEED_FORWARD)
    writer.add_head_count(KV_HEADS * options.group)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_key_length(HEAD_DIM)
    writer.add_value_length(HEAD_DIM)
    writer.add_rope_dimension_count(HEAD_DIM)
    writer.add_rope_freq_base(options.rope_base)
    writer.add_layer_norm_rms_eps(EPSILON)
    _add_vocabulary(writer, options.vocabulary)
    for name, values in (weights or tensors(options)).items():
        writer.add_tensor(name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", help="GGUF file to write")
    for field in dataclasses.fields(Options):
        parser.add_argument("--" + field.name.replace("_", "-"), type=field.type, default=field.default)
    arguments = vars(parser.parse_args())
    out = arguments.pop("out")
    try:
        options = Options(**arguments)
    except ValueError as error:
        parser.error(str(error))
    write(out, options)
    print(f"{out}: {options.architecture}, {options.width} wide, n = {options.content}, {len(options.fast_pairs)} fast "
          f"pairs, for prompts of {options.tokens} tokens")


if __name__ == "__main__":
    main()
