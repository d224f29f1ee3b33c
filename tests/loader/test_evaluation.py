"""Scores: whatever the hosts and the batch size, each video counts once, and the result is NumPy's."""

import pickle

import jax.numpy as jnp
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from records import clip_id, make_example, write_dataset

from kinetics_tfds import loader
from kinetics_tfds.errors import LoaderError

CLASSES = 7


def _reference(logits, labels):
    """Accuracies of [N, V, classes] from their definition: sort the classes of each video's mean."""
    means = logits.astype(np.float64).mean(axis=1)
    order = np.argsort(-means, axis=1, kind="stable")
    scored = [i for i, label in enumerate(labels) if label >= 0]
    right = {i: order[i, 0] == labels[i] for i in scored}
    among_five = [labels[i] in order[i, :5] for i in scored]
    per_class = [np.mean([right[i] for i in scored if labels[i] == c]) for c in sorted({labels[i] for i in scored})]
    top1 = np.mean(list(right.values())) if scored else np.nan
    top5 = np.mean(among_five) if scored else np.nan
    return {
        "top1": top1,
        "top5": top5,
        "challenge_error": ((1 - top1) + (1 - top5)) / 2,
        "mean_class": np.mean(per_class) if scored else np.nan,
        "videos": len(scored),
        "unlabelled": len(labels) - len(scored),
        "skipped": 0,
    }


def _close(result, expected):
    assert result.keys() == expected.keys()
    for key, value in expected.items():
        np.testing.assert_allclose(result[key], value, rtol=1e-12, err_msg=key)


def _batches(rows, size, steps, views):
    """Rows (id, label, logits [V, C]) as the loader's evaluation gives them: padded to `steps` batches of `size`."""
    empty = (b"", -1, np.full([views, CLASSES], 9.0, np.float32))
    rows = rows + [empty] * (steps * size - len(rows))
    for start in range(0, len(rows), size):
        ids, labels, logits = zip(*rows[start : start + size], strict=True)
        mask = np.array([key != b"" for key in ids])
        yield np.stack(logits), {"id": np.array(ids, object), "label": np.array(labels, np.int32), "mask": mask}


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_hosts_and_batch_size_count_every_video_once(data):
    videos = data.draw(st.integers(1, 23))
    views = data.draw(st.integers(1, 4))
    hosts = data.draw(st.integers(1, min(5, videos)))
    size = data.draw(st.integers(1, 9))
    form = data.draw(st.sampled_from(["all views at once", "a row a view", "views mixed over batches"]))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    # Small whole numbers make ties between classes frequent.
    logits = rng.integers(-2, 3, [videos, views, CLASSES]).astype(np.float32)
    labels = rng.integers(-1, CLASSES, videos)
    rows = [(f"v{i}".encode(), labels[i], logits[i]) for i in range(videos)]

    collected = []
    for host in range(hosts):
        mine = rows[videos * host // hosts : videos * (host + 1) // hosts]
        scores = loader.Scores()
        if form == "views mixed over batches":
            single = [(key, label, one[None]) for key, label, one_video in mine for one in one_video]
            single = [single[i] for i in rng.permutation(len(single))]
            for values, batch in _batches(single, size, -(-len(single) // size), 1):
                scores.add(values[:, 0], batch)
        else:
            for values, batch in _batches(mine, size, -(-videos // (hosts * size)) + 1, views):
                if form == "all views at once":
                    scores.add(values, batch)
                else:
                    repeated = {key: np.repeat(value, views) for key, value in batch.items()}
                    scores.add(values.reshape(-1, CLASSES), repeated)
        collected.append(pickle.loads(pickle.dumps(scores)))
    first, *others = [collected[i] for i in rng.permutation(hosts)]
    for other in others:
        first.merge(other)
    _close(first.result(), _reference(logits, labels))
    assert first.predictions().keys() == {f"v{i}" for i in range(videos)}
    for i in range(videos):
        np.testing.assert_allclose(first.predictions()[f"v{i}"], logits[i].mean(0), rtol=1e-6)


def _batch(ids, labels, mask=None, **more):
    return {"id": ids, "label": labels, "mask": [True] * len(ids) if mask is None else mask, **more}


def test_a_video_seen_twice_counts_once():
    scores = loader.Scores()
    logits = np.array([[[3.0, 1.0], [0.0, 1.0]], [[0.0, 5.0], [0.0, 5.0]]])
    scores.add(logits, _batch([b"a", b"b"], [0, 0]))
    before = scores.result()
    scores.add(logits[:1], _batch([b"a"], [0]))
    again = loader.Scores()
    again.add(logits, _batch([b"a", b"b"], [0, 0]))
    scores.merge(again)
    assert scores.result() == before
    assert before["videos"] == 2
    assert before["top1"] == 0.5


def test_merging_leaves_the_other_as_it_was():
    scores, other = loader.Scores(), loader.Scores()
    scores.add([[1.0, 0.0]], _batch([b"a"], [0]))
    other.add([[0.0, 1.0]], _batch([b"a"], [0]))
    scores.merge(other)
    assert other.result()["top1"] == 0.0
    np.testing.assert_array_equal(scores.predictions()["a"], [0.5, 0.5])


def test_masked_rows_and_unlabelled_videos_are_not_scored():
    scores = loader.Scores()
    masked_nan = [[1.0, 0.0], [np.nan, np.nan], [0.0, 1.0]]
    scores.add(masked_nan, _batch([b"a", b"", b"c"], [0, -1, -1], [True, False, True]))
    result = scores.result()
    assert (result["videos"], result["unlabelled"], result["top1"]) == (1, 1, 1.0)
    assert sorted(scores.predictions()) == ["a", "c"], "a submission to a test server needs the unlabelled ones"


def test_nothing_scored_is_not_a_number():
    assert np.isnan(loader.Scores().result()["top1"])
    scores = loader.Scores()
    scores.add([[1.0, 0.0]], _batch([b""], [-1], [False]))
    assert np.isnan(scores.result()["mean_class"])
    assert scores.result()["videos"] == 0


def test_the_challenges_figure_is_the_mean_of_both_errors():
    scores = loader.Scores()
    logits = -np.abs(np.arange(9.0)[None] - np.array([[0.0], [0.0], [2.0], [8.0]]))
    scores.add(logits, _batch([b"a", b"b", b"c", b"d"], [0, 4, 3, 0]))  # ranks 0, 4, 1 or 2, 8
    result = scores.result()
    assert (result["top1"], result["top5"]) == (0.25, 0.75)
    assert result["challenge_error"] == (0.75 + 0.25) / 2


def test_classes_without_videos_do_not_count_and_rare_ones_count_fully():
    scores = loader.Scores()
    scores.add(np.eye(9)[[0, 0, 0, 5]], _batch([b"a", b"b", b"c", b"d"], [0, 0, 0, 4]))
    assert scores.result()["top1"] == 0.75
    assert scores.result()["mean_class"] == 0.5


def test_skipped_clips_are_the_last_count_of_each_host():
    hosts = [loader.Scores(), loader.Scores()]
    for host, counts in zip(hosts, ([0, 1], [2, 2]), strict=True):
        for step, count in enumerate(counts):
            host.add([[1.0, 0.0]], _batch([f"{step}".encode()], [0], skipped=np.array([count], np.int32)))
    hosts[0].merge(hosts[1])
    assert hosts[0].result()["skipped"] == 1 + 2


@pytest.mark.parametrize(
    "array",
    [
        np.asarray,
        lambda x: tf.constant(x, tf.bfloat16) if np.asarray(x).dtype.kind == "f" else tf.constant(x),
        lambda x: jnp.asarray(x, jnp.bfloat16) if np.asarray(x).dtype.kind == "f" else jnp.asarray(x),
    ],
    ids=["numpy", "tensorflow", "jax"],
)
def test_arrays_of_every_library(array):
    scores = loader.Scores()
    batch = {"id": np.array([b"a", b"b"], object), "label": array([1, 0]), "mask": array([True, True])}
    scores.add(array([[0.0, 0.5], [0.25, 2.0]]), batch)
    assert scores.result()["top1"] == 0.5


@pytest.mark.parametrize(
    ("logits", "batch", "message"),
    [
        ([[1.0, 0.0]], {"label": [0], "mask": [True]}, "no 'id'; it has label, mask"),
        ([[1.0, 0.0]], {"id": [b"a"], "label": [0]}, "no 'mask'"),
        ([[1.0, 0.0]], _batch([b"a"], [[0.5, 0.5]]), "mixed training batches"),
        ([1.0, 0.0], _batch([b"a", b"b"], [0, 1]), r"Logits \(2,\) do not go with ids"),
        (np.zeros([6, 2]), _batch([b"a", b"b"], [0, 1]), r"logits.reshape\(2, 3, -1\)"),
        ([[np.nan, 0.0]], _batch([b"a"], [0]), "'a' hold NaN"),
        ([[[np.inf, 0.0], [-np.inf, 0.0]]], _batch([b"a"], [0]), "'a' hold NaN"),
        ([[1.0, 0.0]], _batch([b"a"], [2]), "'a' has the label 2, but there are 2 logits"),
        ([[1.0, 0.0]] * 2, _batch([b"a", b"a"], [0, 1]), "'a' came with the labels 0 and 1"),
        ([[1.0, 0.0, 0.0]], _batch([b"b"], [0]), "'b' has 3 logits, earlier ones have 2"),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_what_cannot_be_scored_is_named(logits, batch, message):
    scores = loader.Scores()
    scores.add([[1.0, 0.0]], _batch([b"z"], [0]))
    with pytest.raises(LoaderError, match=message):
        scores.add(logits, batch)


def test_scores_of_different_models_do_not_merge():
    one, other = loader.Scores(), loader.Scores()
    one.add([[1.0, 0.0]], _batch([b"a"], [0]))
    other.add([[1.0, 0.0, 0.0]], _batch([b"b"], [0]))
    with pytest.raises(LoaderError, match="3 logits, earlier ones have 2"):
        one.merge(other)


SLOW = [pytest.param(*values, marks=pytest.mark.slow) for values in [(1, 1), (1, 4), (1, 32), (5, 1), (17, 3)]]


@pytest.fixture(scope="module")
def builder(tmp_path_factory):
    """17 videos in shards of unequal length; one of them is unlabelled."""
    rows = [make_example(i, frames=12) for i in range(16)] + [make_example(16, frames=12, label=-1)]
    return write_dataset(tmp_path_factory.mktemp("data"), {"validation": rows}, per_shard=5)


@pytest.mark.parametrize(("hosts", "batch_size"), [(3, 2), *SLOW])
def test_from_records_to_scores(builder, hosts, batch_size):
    """A model that looks at pixels: its logits are a function of clip, frame and crop."""
    sampling, spatial = loader.UniformClips(4, clips=2), loader.ThreeCrop(16, short_side=24)

    def logits(video):
        flat = video.reshape(*video.shape[:2], -1).astype(np.float64)
        return np.stack([flat[..., i::CLASSES].mean(-1) for i in range(CLASSES)], -1)

    merged, steps = loader.Scores(), set()
    for host in range(hosts):
        scores = loader.Scores()
        batches = loader.make_dataset(
            builder, "validation", sampling=sampling, spatial=spatial, batch_size=batch_size, shard=(host, hosts)
        )
        steps.add(len(batches))
        for batch in batches.as_numpy_iterator():
            assert batch["video"].shape == (batch_size, 6, 4, 16, 16, 3)
            assert (batch["label"][~batch["mask"]] == -1).all()
            assert set(batch["id"][~batch["mask"]]) <= {b""}
            scores.add(logits(batch["video"]), batch)
        merged.merge(scores)
    assert len(steps) == 1, "the same number of steps on every host"

    whole = loader.make_dataset(builder, "validation", sampling=sampling, spatial=spatial, batch_size=17)
    (batch,) = whole.as_numpy_iterator()
    assert sorted(batch["id"]) == sorted(clip_id(i).encode() for i in range(17))
    _close(merged.result(), _reference(logits(batch["video"]), batch["label"]))
    assert len(merged.predictions()) == 17
