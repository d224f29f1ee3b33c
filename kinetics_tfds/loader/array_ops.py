"""TensorFlow's operations for tensors, NumPy's for arrays, under TensorFlow's names.

Rules that choose frames, windows and changes of pixels are written once, as `tf.…` of this module. Where an argument is
a tensor, the operation is TensorFlow's; otherwise it is NumPy's, and TensorFlow is not even imported. Both give the
same numbers, bit by bit for choices (tests/loader/random_access/test_same_choices.py). An operation that is not listed
here is TensorFlow's alone.
"""

from __future__ import annotations

import builtins
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from kinetics_tfds.loader import array_images, stateless_random

uint8, int16, int32, int64 = np.uint8, np.int16, np.int32, np.int64
float32, float64, bool = np.float32, np.float64, np.bool_


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return _tensorflow(name)


def is_tensor(value: Any) -> Any:
    """Returns whether this is one of TensorFlow's tensors."""
    tensorflow = sys.modules.get("tensorflow")
    if tensorflow is None:
        return False
    if isinstance(value, (list, tuple)):
        return any(is_tensor(item) for item in value)
    return tensorflow.is_tensor(value)


class _Namespace:
    """A submodule of TensorFlow, some of whose operations take arrays too."""

    def __init__(self, name: str, **operations: Callable[..., Any]) -> None:
        self._name = name
        for key, operation in operations.items():
            setattr(self, key, _either(f"{name}.{key}", operation))

    def __getattr__(self, name: str) -> Any:
        return _tensorflow(f"{self._name}.{name}")


def _tensorflow(path: str) -> Any:
    import tensorflow

    found: Any = tensorflow
    for name in path.split("."):
        found = getattr(found, name)
    return found


def _either(path: str, numpy_version: Callable[..., Any]) -> Callable[..., Any]:
    def operation(*args: Any, **kwargs: Any) -> Any:
        if is_tensor(args) or is_tensor(tuple(kwargs.values())):
            return _tensorflow(path)(*args, **kwargs)
        return numpy_version(*args, **kwargs)

    return operation


def _array(value: Any, dtype: Any = None) -> np.ndarray:
    """Returns an array with TensorFlow's types for Python's numbers: int32 and float32."""
    array = np.asarray(value)
    if dtype is None and not hasattr(value, "dtype"):
        dtype = {np.dtype(np.int64): np.int32, np.dtype(np.float64): np.float32}.get(array.dtype)
    return array if dtype is None else array.astype(dtype)


def _alike(values: Any) -> list[np.ndarray]:
    """Returns arrays of one type, that of those which have one."""
    typed = [np.asarray(value).dtype for value in values if hasattr(value, "dtype")]
    typed += [np.asarray(value).dtype for value in values if isinstance(value, list) and hasattr(value[0], "dtype")]
    dtype = np.result_type(*typed) if typed else None
    return [_array(value, dtype) for value in values]


def _linspace(start: Any, stop: Any, num: int) -> np.ndarray:
    start, stop = _array(start), _array(stop)
    delta = (stop - start) / np.asarray(max(num - 1, 1), stop.dtype)
    inner = start + delta * np.arange(1, max(num - 1, 1), dtype=stop.dtype)
    return np.concatenate([start[None], inner, stop[None]])[:num]


def _range(*args: Any, dtype: Any = None) -> np.ndarray:
    return _array(np.arange(*args).tolist(), dtype) if dtype is None else np.arange(*args).astype(dtype)


def _searchsorted(values: Any, wanted: Any, side: Any = "left", out_type: Any = np.int32) -> np.ndarray:
    return np.searchsorted(values, wanted, side=side).astype(out_type)


def _stateless_uniform(shape: Any, seed: Any, minval: Any = 0, maxval: Any = 1, **unused: Any) -> np.ndarray:
    del unused  # the type: float32, or int32 where there are no bounds
    if minval is None:
        return stateless_random.uniform_integers(shape, seed)
    return stateless_random.uniform(shape, seed) * np.float32(maxval - minval) + np.float32(minval)


def _index_shuffle(index: Any, seed: Any, max_index: Any) -> np.int64:
    return np.int64(stateless_random.index_shuffle(index, seed, int(max_index)))


def _hash(text: Any, buckets: int) -> np.int64:
    import farmhash  # in the extras that need no TensorFlow

    return np.int64(farmhash.fingerprint64(text) % buckets)


def _gather(values: Any, indices: Any, batch_dims: int = 0) -> np.ndarray:
    if batch_dims:
        return np.take_along_axis(values, np.asarray(indices)[:, None], axis=1)[:, 0]
    return np.take(values, indices, axis=0)


def _where(condition: Any, x: Any = None, y: Any = None) -> np.ndarray:
    return np.argwhere(condition) if x is None else np.where(condition, *_alike([x, y]))


def _one_hot(indices: Any, depth: int, on_value: float, off_value: float) -> np.ndarray:
    found = np.asarray(indices)[:, None] == np.arange(depth)
    return np.where(found, np.float32(on_value), np.float32(off_value))


def _scatter(tensor: Any, indices: Any, updates: Any) -> np.ndarray:
    changed = np.array(tensor)
    changed[np.asarray(indices)[:, 0]] = updates
    return changed


def _map(function: Callable[..., Any], items: tuple[Any, ...], fn_output_signature: Any) -> np.ndarray:
    del fn_output_signature
    return np.stack([function(row) for row in zip(*items, strict=True)])


def _bincount(rows: Any, minlength: int, maxlength: int, axis: int) -> np.ndarray:
    assert axis == -1
    return np.stack([np.bincount(row, minlength=minlength)[:maxlength] for row in rows]).astype(np.int32)


def _cumsum(values: Any, axis: int, exclusive: builtins.bool = False) -> np.ndarray:
    total = np.cumsum(values, axis, dtype=values.dtype)
    return total - values if exclusive else total


def TensorSpec(shape: Any, dtype: Any) -> Any:  # noqa: N802
    """Returns TensorFlow's, if it is there to want one."""
    return _tensorflow("TensorSpec")(shape, dtype) if "tensorflow" in sys.modules else (shape, dtype)


cast = _either("cast", lambda x, dtype: np.asarray(x).astype(dtype))
constant = _either("constant", _array)
reshape = _either("reshape", lambda tensor, shape: np.reshape(tensor, shape))
ensure_shape = _either("ensure_shape", lambda x, shape: x)
stack = _either("stack", lambda values, axis=0: np.stack(_alike(values), axis))
unstack = _either("unstack", lambda value, num=None, axis=0: list(np.moveaxis(value, axis, 0)))
concat = _either("concat", lambda values, axis: np.concatenate(_alike(values), axis))
fill = _either("fill", lambda dims, value: np.full(dims, _array(value)))
shape = _either("shape", lambda value: np.array(np.shape(value), np.int32))
size = _either("size", lambda value: np.int32(np.size(value)))
range = _either("range", _range)
linspace = _either("linspace", _linspace)
where = _either("where", _where)
argmax = _either("argmax", lambda value, axis=0, output_type=np.int64: np.argmax(value, axis).astype(output_type))
searchsorted = _either("searchsorted", _searchsorted)
clip_by_value = _either("clip_by_value", lambda value, low, high: np.minimum(np.maximum(value, low), high))
gather = _either("gather", _gather)
maximum = _either("maximum", np.maximum)
minimum = _either("minimum", np.minimum)
floor = _either("floor", lambda x: np.floor(_array(x)))
round = _either("round", lambda x: np.round(_array(x)))
sqrt = _either("sqrt", lambda x: np.sqrt(_array(x)))
exp = _either("exp", lambda x: np.exp(_array(x)))
zeros_like = _either("zeros_like", np.zeros_like)
ones_like = _either("ones_like", np.ones_like)
reduce_max = _either("reduce_max", np.max)
reduce_any = _either("reduce_any", np.any)
reduce_all = _either("reduce_all", np.all)

reduce_min = _either("reduce_min", np.min)
reduce_max = _either("reduce_max", np.max)
reduce_sum = _either("reduce_sum", np.sum)
cos = _either("cos", lambda x: np.cos(_array(x)))
sin = _either("sin", lambda x: np.sin(_array(x)))
cumsum = _either("cumsum", _cumsum)
convert_to_tensor = _either("convert_to_tensor", lambda value, dtype=None: _array(value, dtype))
zeros = _either("zeros", lambda shape, dtype=np.float32: np.zeros(shape, dtype))
zeros_like = _either("zeros_like", np.zeros_like)
ones = _either("ones", lambda shape, dtype=np.float32: np.ones(shape, dtype))
one_hot = _either("one_hot", _one_hot)
identity = _either("identity", lambda value: value)
repeat = _either("repeat", np.repeat)
reverse = _either("reverse", lambda value, axis: np.flip(value, axis))
split = _either("split", lambda value, parts, axis=0: np.split(value, parts, axis))
transpose = _either("transpose", np.transpose)
broadcast_to = _either("broadcast_to", np.broadcast_to)
tensor_scatter_nd_update = _either("tensor_scatter_nd_update", _scatter)
map_fn = _either("map_fn", _map)
cond = _either("cond", lambda condition, then, otherwise: then() if condition else otherwise())
switch_case = _either("switch_case", lambda index, branches: branches[int(index)]())

math = _Namespace("math", floormod=np.mod, ceil=np.ceil, floor=np.floor, bincount=_bincount)
bitwise = _Namespace(
    "bitwise",
    bitwise_and=np.bitwise_and,
    bitwise_xor=np.bitwise_xor,
    left_shift=np.left_shift,
    right_shift=np.right_shift,
)
raw_ops = _Namespace("raw_ops", ImageProjectiveTransformV3=array_images.projective_transform)
image = _Namespace(
    "image",
    rgb_to_grayscale=array_images.rgb_to_grayscale,
    stateless_random_brightness=array_images.random_brightness,
    stateless_random_contrast=array_images.random_contrast,
    stateless_random_saturation=array_images.random_saturation,
    stateless_random_hue=array_images.random_hue,
)
random = _Namespace(
    "random",
    stateless_uniform=_stateless_uniform,
    stateless_normal=stateless_random.normal,
    split=stateless_random.split,
)
random.experimental = _Namespace("random.experimental", index_shuffle=_index_shuffle)
strings = _Namespace("strings", to_hash_bucket_fast=_hash)
