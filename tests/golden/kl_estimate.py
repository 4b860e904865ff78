"""Distance of a program's logits from the float64 reference, from 64 stored log-probabilities per position.

With p the reference's distribution and q the program's, KL(p || q) = E_p[q/p - 1 - log(q/p)], because E_p[q/p - 1] is
zero. Every term is non-negative and of second order in the difference, so few of them tell the sum: per position the
32 most probable tokens enter exactly, with weight p, and 32 draws from the others stand for the rest, with weight
(1 - sum of the 32) / 32 each. The estimate is unbiased; README.md gives its error. The same stored positions, tokens
and draws serve every program, so two programs are compared on equal terms.
"""
import numpy as np

HEAD = 32  # most probable tokens of a position, stored exactly
DRAWS = 32  # draws from all other tokens, in proportion to p

# Positions before this one are measured but do not enter the means. The first token of a sequence has no other to attend
# to, and a model trained without a BOS token (qwen) drives it into activations so large that 8-bit rounding decides what
# follows: llama.cpp's KL is 5.06 nats there and 0.002 elsewhere, so one position of 640 would be four fifths of the mean.
FIRST_POSITION = 1


def sample(p_log, rng):
    """Ids and log-probabilities ([HEAD + DRAWS] each) of one position's reference log-probabilities [V]."""
    head = np.argpartition(-p_log, HEAD)[:HEAD]
    head = head[np.argsort(-p_log[head], kind="stable")]
    tail = np.exp(p_log)
    tail[head] = 0
    draws = rng.choice(len(p_log), size=DRAWS, p=tail / tail.sum())
    ids = np.concatenate([head, draws]).astype(np.int32)
    return ids, p_log[ids].astype(np.float32)


def position_kl(ids, p_log, logits):
    """KL(p || q) in nats at one position: stored ids and p_log [HEAD + DRAWS], logits [V] of any float type."""
    logits = logits.astype(np.float64)
    highest = logits.max()
    q_log = logits[ids] - highest - np.log(np.exp(logits - highest).sum())
    p_log = p_log.astype(np.float64)
    head = np.exp(p_log[:HEAD])
    weight = np.concatenate([head, np.full(DRAWS, max(0.0, 1 - head.sum()) / DRAWS)])
    difference = q_log - p_log
    return float(np.sum(weight * (np.expm1(difference) - difference)))
