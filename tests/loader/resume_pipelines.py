"""The pipelines of test_resuming.py by name; resume_process.py makes the same ones in another process."""

from kinetics_tfds import loader

AUGMENT = [loader.ColourJitter(brightness=0.5), loader.RandomErasing(prob=0.5)]


def _training(builder, **more):
    return loader.make_dataset(
        builder,
        "train",
        **{
            "sampling": loader.RandomClip(3, stride=2, jitter=0.4, clips=2),
            "spatial": loader.RandomResizedCrop(16),
            "mix": loader.MixupCutMix(),
            "batch_size": 4,
            "epochs": 2,
            "seed": 5,
            **more,
        },
    )


def _evaluation(builder):
    return loader.make_dataset(
        builder,
        "validation",
        sampling=loader.UniformClips(3, clips=2),
        spatial=loader.ThreeCrop(16),
        batch_size=3,
        shard=(1, 2),
    )


# An epoch is 11 clips, and a batch holds both views of two: batches run across the epoch's end.
PIPELINES = {
    "training": _training,
    "training_augmented": lambda builder: _training(builder, augment=AUGMENT),
    "training_floats": lambda builder: _training(builder, dtype="float32", mix=None),
    "training_skipping": lambda builder: _training(builder, on_damage="skip"),
    "training_on_canvases": lambda builder: _training(builder, resize="device", mix=None),
    "evaluation": _evaluation,
}
