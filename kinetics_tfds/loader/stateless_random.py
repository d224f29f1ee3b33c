"""TensorFlow's stateless random numbers in NumPy: the same seed gives the same bits, without TensorFlow.

Sources: tensorflow/core/lib/random/philox_random.h, random_distributions.h, tensorflow/core/kernels/
stateless_random_ops_v2.cc and random_index_shuffle.cc.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

# Philox 4x32 with ten rounds (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011).
_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_KEY_STEPS = (0x9E3779B9, 0xBB67AE85)
_ROUNDS = 10
# The key that TensorFlow scrambles seeds with.
_SCRAMBLE_KEY = (0x3EC8F720, 0x02461E29)
_LOW = 0xFFFFFFFF
_FEW_BLOCKS = 20

# `tf.random.experimental.index_shuffle` puts this before the seed.
_SHUFFLE_KEY = 498247692
_SIMON_CONSTANT = 0xFFFFFFFC
_SHUFFLE_ROUNDS = 4
_LEAST_BLOCK_BITS = 16


def random_bits(count: int, seed: Any) -> np.ndarray:
    """Returns `count` values, uint32 [count].

    Args:
        count: how many.
        seed: two integers of up to 64 bits, signed or not.
    """
    first, second = (int(value) & (2**64 - 1) for value in np.asarray(seed).tolist())
    # The seed itself is scrambled: two words of the outcome are the key, two the upper half of the counter.
    key0, key1, high0, high1 = _philox(first & _LOW, first >> 32, second & _LOW, second >> 32, _SCRAMBLE_KEY)
    blocks = -(-count // 4)
    if blocks <= _FEW_BLOCKS:  # Python's own integers are quicker than a hundred calls of NumPy
        bits: Any = [_philox(block, 0, high0, high1, (key0, key1)) for block in range(blocks)]
        return np.array(bits, np.uint32).reshape(-1)[:count]
    counter = np.arange(blocks, dtype=np.uint64)
    high = np.full_like(counter, high0), np.full_like(counter, high1)
    bits = _philox(counter, np.zeros_like(counter), *high, (key0, key1))
    return np.stack(bits, axis=1).astype(np.uint32).reshape(-1)[:count]


def uniform(shape: Any, seed: Any) -> np.ndarray:
    """Returns float32 in [0, 1), as `tf.random.stateless_uniform(shape, seed)`."""
    return _unit(random_bits(math.prod(shape), seed)).reshape(shape)


def uniform_integers(shape: Any, seed: Any) -> np.ndarray:
    """Returns int32, any of them, as `stateless_uniform` does with `minval=None, maxval=None, dtype=tf.int32`."""
    return random_bits(math.prod(shape), seed).astype(np.int32).reshape(shape)


def normal(shape: Any, seed: Any) -> np.ndarray:
    """Returns float32 of mean 0 and deviation 1; as `tf.random.stateless_normal` up to the last bit or two."""
    count = math.prod(shape)
    bits = random_bits(count + count % 2, seed)
    radius = np.sqrt(np.float32(-2) * np.log(np.maximum(_unit(bits[0::2]), np.float32(1e-7))))
    angle = (2 * math.pi * _unit(bits[1::2]).astype(np.float64)).astype(np.float32)
    pairs = np.stack([np.sin(angle) * radius, np.cos(angle) * radius], axis=1)
    return pairs.reshape(-1)[:count].reshape(shape)


def split(seed: Any, count: int) -> np.ndarray:
    """Returns `count` seeds, int32 [count, 2], as `tf.random.split`."""
    return uniform_integers([count, 2], seed)


def index_shuffle(index: int, seed: Any, max_index: int) -> int:
    """Returns where an index comes in a permutation of 0 to `max_index`, as `tf.random.experimental.index_shuffle`.

    A block cipher (Simon, four rounds) of the next even number of bits, walked until it lands inside.
    """
    if max_index == 0:
        return 0
    bits = math.ceil(math.log2(max_index))
    word = max(bits + bits % 2, _LEAST_BLOCK_BITS) // 2
    mask = (1 << word) - 1
    keys = _round_keys([_SHUFFLE_KEY, *(int(value) & _LOW for value in np.asarray(seed).tolist())], word, mask)
    index = int(index)
    while True:
        left, right = index >> word & mask, index & mask
        for first, second in zip(keys[::2], keys[1::2], strict=True):
            left ^= _simon(right, word, mask) ^ first
            right ^= _simon(left, word, mask) ^ second
        index = left << word | right
        if index <= max_index:
            return index


def _philox(c0: Any, c1: Any, c2: Any, c3: Any, key: tuple[int, int]) -> tuple[Any, Any, Any, Any]:
    """Returns four words below 2**32 for a counter of four; integers, or arrays of uint64."""
    k0, k1 = key
    for _ in range(_ROUNDS):
        product0, product1 = c0 * _MULTIPLIERS[0], c2 * _MULTIPLIERS[1]
        c0, c1, c2, c3 = (product1 >> 32) ^ c1 ^ k0, product1 & _LOW, (product0 >> 32) ^ c3 ^ k1, product0 & _LOW
        k0, k1 = (k0 + _KEY_STEPS[0]) & _LOW, (k1 + _KEY_STEPS[1]) & _LOW
    return c0, c1, c2, c3


def _unit(bits: np.ndarray) -> np.ndarray:
    """Returns float32 in [0, 1): the lowest 23 bits become the fraction of a number from 1 to 2."""
    return (bits & np.uint32(0x7FFFFF) | np.uint32(127 << 23)).view(np.float32) - np.float32(1)


def _round_keys(key: list[int], word: int, mask: int) -> list[int]:
    keys = [value & mask for value in key]
    # One more key than the seed gives; its bit of Simon's z sequence is 1.
    while len(keys) < _SHUFFLE_ROUNDS:
        last = keys[-1]
        turned = _turn_right(last, 3, word, mask) ^ _turn_right(last, 4, word, mask)
        keys.append((_SIMON_CONSTANT & mask) ^ 1 ^ keys[-3] ^ turned)
    return keys


def _simon(value: int, word: int, mask: int) -> int:
    def left(by: int) -> int:
        return (value << by | value >> (word - by)) & mask

    return (left(1) & left(8)) ^ left(2)


def _turn_right(value: int, by: int, word: int, mask: int) -> int:
    return (value >> by | value << (word - by)) & mask
