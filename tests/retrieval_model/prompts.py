"""Prompts for the retrieval model: needles in random tokens, a question, and the continuation that is right.

    noise .. KEY v1 .. v6 .. noise .. KEY' v1' .. v6' .. noise .. KEY | v1 .. v6 KEY' v1' .. v5'
    <----------------------- `tokens` positions ------------------->   teacher-forced

The prompt ends in the first needle's key; behind it comes what a program that finds every needle would say, with the next
key behind each answer. So one run of a program over the whole sequence asks for all values: a row that has to predict one
is right if its greatest logit is that value's, and no earlier mistake can hide a later one.
"""
import dataclasses

import numpy as np

VALUES = 6  # tokens behind a key


@dataclasses.dataclass(frozen=True)
class Prompt:
    sequence: np.ndarray   # [N] ids: the prompt, then the continuation
    prompt_tokens: int     # of them
    rows: np.ndarray       # [needles, VALUES]: positions behind which a value has to come
    values: np.ndarray     # [needles, VALUES]: the ids of those values

    def correct(self, logits):
        """How many values of each needle a program's logits [N, V] name: [needles]."""
        return (logits[self.rows].argmax(axis=-1) == self.values).sum(axis=1)

    def margin(self, logits):
        """The least lead, over all rows that count, of the value's logit before the best other; negative where it fails."""
        of_value = np.take_along_axis(logits[self.rows], self.values[..., None], axis=-1)
        others = np.array(logits[self.rows])
        np.put_along_axis(others, self.values[..., None], -np.inf, axis=-1)
        return float((of_value[..., 0] - others.max(axis=-1)).min())


def make(tokens, depths, vocabulary, seed):
    """A prompt of `tokens` ids with a needle at each of `depths`, in [0, 1]: 0 is the beginning, 1 just before the question.

    The first of `depths` is the first to be asked for. No token of a needle occurs anywhere else, so a value has one right
    answer. ValueError where a depth is outside its range, where two needles overlap, or where prompt or vocabulary have no
    room for them.
    """
    length = 1 + VALUES
    if not depths or not all(0 <= depth <= 1 for depth in depths):
        raise ValueError(f"depths are {depths}; there must be some, each in [0, 1]")
    begins = [int(depth * (tokens - 1 - length)) for depth in depths]
    if min(tokens, vocabulary) <= length * len(begins):
        raise ValueError(f"{len(begins)} needles, each of {length} tokens of its own, are too many for {tokens} positions "
                         f"or a vocabulary of {vocabulary}")
    if any(after - before < length for before, after in zip(sorted(begins), sorted(begins)[1:])):
        raise ValueError(f"needles at depths {depths} of {tokens} tokens overlap; each takes {length}")
    rng = np.random.default_rng(seed)
    ids = rng.permutation(vocabulary)
    needles, rest = ids[:length * len(begins)].reshape(-1, length), ids[length * len(begins):]
    prompt = rng.choice(rest, size=tokens)
    for begin, needle in zip(begins, needles):
        prompt[begin:begin + length] = needle
    prompt[-1] = needles[0, 0]
    # Every key's row asks for the first value, and the last value is fed only where another key comes behind it.
    sequence = np.concatenate([prompt[:-1], needles.ravel()[:-1]])
    rows = tokens - 1 + np.arange(needles.size).reshape(needles.shape)[:, :VALUES]
    return Prompt(sequence, tokens, rows, needles[:, 1:])
