"""Trains a small 3D convnet in Keras, on all devices of this machine; goes on where it was killed.

    python examples/train_keras.py                                     # the sample: over 90 % in minutes, on two cores
    python examples/train_keras.py --dataset=kinetics600/jpeg256 --data_dir=DATA --preset=x3d_m --batch_size=64

Several GPUs are used through MirroredStrategy, a TPU with --tpu through TPUStrategy. Checkpoints hold the model, the
optimiser and the place in the data: a run that was killed ends with the same numbers as one that was not.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import tensorflow as tf
import training_data

from kinetics_tfds import loader


def make_model(shape: tuple[int, ...], recipe: Any, width: int, classes: int) -> keras.Model:
    """Returns a model from clips uint8 [B, T, H, W, 3] to logits float32 [B, classes]."""
    video = keras.Input(shape, dtype="uint8")
    x = keras.layers.Lambda(lambda clips: loader.normalise(clips, recipe))(video)
    # What stands still says nothing about a motion.
    x = keras.layers.Lambda(lambda clips: clips - tf.reduce_mean(clips, axis=1, keepdims=True))(x)
    for stage, (kernel, strides) in enumerate((((3, 5, 5), (1, 2, 2)), ((3, 3, 3), (2, 2, 2)), ((3, 3, 3), (2, 2, 2)))):
        x = keras.layers.Conv3D(width * 2**stage, kernel, strides, padding="same", activation="relu",
                                kernel_initializer="he_normal")(x)  # fmt: skip
    return keras.Model(video, keras.layers.Dense(classes)(keras.layers.GlobalAveragePooling3D()(x)))


def choose_strategy(tpu: str | None) -> tf.distribute.Strategy:
    """Returns the strategy for the devices there are."""
    if tpu is not None:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver.connect(tpu)
        return tf.distribute.TPUStrategy(resolver)
    if len(tf.config.list_logical_devices("GPU")) > 1:
        return tf.distribute.MirroredStrategy()
    return tf.distribute.get_strategy()


class Trainer:
    """One model in training, with what a checkpoint of it holds."""

    def __init__(self, args: argparse.Namespace) -> None:
        """Opens the data, makes the model, and goes back to the last checkpoint if there is one."""
        self.args = args
        self.builder = training_data.open_builder(args)
        self.strategy = choose_strategy(args.tpu)
        dataset, self.recipe = training_data.training_batches(self.builder, args, (0, 1))
        self.classes = self.builder.info.features["label"].num_classes
        self.steps = args.epochs * training_data.steps_per_epoch(self.builder, args, self.recipe, 1)
        with self.strategy.scope():
            self.model = make_model(dataset.element_spec["video"].shape[1:], self.recipe, args.width, self.classes)
            schedule: Any = keras.optimizers.schedules.CosineDecay(
                0.0, self.steps, warmup_target=args.learning_rate, warmup_steps=20
            )
            self.optimizer = keras.optimizers.Adam(schedule, beta_2=0.99)
            self.optimizer.build(self.model.trainable_variables)
        self.step = tf.Variable(tf.constant(0, tf.int64))
        self.iterator = iter(dataset)
        self.checkpoint = tf.train.Checkpoint(
            model=self.model, optimizer=self.optimizer, iterator=self.iterator, step=self.step
        )
        self.manager = tf.train.CheckpointManager(self.checkpoint, args.workdir / "keras", max_to_keep=2)
        if self.manager.restore_or_initialize():
            print(f"going on after step {int(self.step)}", flush=True)

    def run(self) -> None:
        """Trains to the end."""
        for step in range(int(self.step) + 1, self.steps + 1):
            loss = self._train_step(self._spread(next(self.iterator)))
            self.step.assign_add(1)
            if step % 50 == 0 or step in (1, self.steps):
                print(f"step {step} of {self.steps}: loss {float(loss):.3f}", flush=True)
            if step % self.args.checkpoint_every == 0 or step == self.steps:
                self.manager.save(step)

    def evaluate(self) -> Any:
        """Returns the scores of the held-out videos: each counted once, its views averaged."""
        scores = loader.Scores()
        for batch in training_data.evaluation_batches(self.builder, self.args, (0, 1)):
            scores.add(self._view_chances(batch["video"]), batch)
        return scores

    def _spread(self, batch: dict[str, tf.Tensor]) -> dict[str, Any]:
        """Gives each replica its rows. A plain iterator can be saved; a distributed one cannot."""
        replicas = self.strategy.num_replicas_in_sync
        wanted = {key: batch[key] for key in ("video", "label")}
        if replicas == 1:
            return wanted
        parts = {key: tf.split(value, replicas) for key, value in wanted.items()}
        return self.strategy.experimental_distribute_values_from_function(
            lambda replica: {key: value[replica.replica_id_in_sync_group] for key, value in parts.items()}
        )

    @tf.function
    def _train_step(self, batch: dict[str, Any]) -> tf.Tensor:
        losses = self.strategy.run(self._replica_step, args=(batch,))
        return self.strategy.reduce(tf.distribute.ReduceOp.SUM, losses, axis=None)

    def _replica_step(self, batch: dict[str, tf.Tensor]) -> tf.Tensor:
        label = batch["label"]
        soft = label if label.shape.rank == 2 else tf.one_hot(label, self.classes)
        with tf.GradientTape() as tape:
            rows = tf.nn.softmax_cross_entropy_with_logits(soft, self.model(batch["video"], training=True))
            loss = tf.reduce_sum(rows) / self.args.batch_size  # of the global batch: replicas add up
        slope = tape.gradient(loss, self.model.trainable_variables)
        self.optimizer.apply(slope, self.model.trainable_variables)
        return loss

    @tf.function
    def _view_chances(self, video: tf.Tensor) -> tf.Tensor:
        """Returns float32 [B, V, classes] of videos uint8 [B, V, T, H, W, 3], one view at a time to save memory."""
        views = tf.map_fn(
            lambda view: tf.nn.softmax(self.model(view, training=False)),
            tf.experimental.numpy.moveaxis(video, 1, 0),
            fn_output_signature=tf.float32,
        )
        return tf.transpose(views, [1, 0, 2])


def main() -> int:
    """Reads the arguments, trains, evaluates."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    training_data.add_arguments(parser)
    parser.add_argument("--width", type=int, default=16, help="channels of the first stage")
    parser.add_argument("--tpu", help="name or address of a TPU; 'local' on a TPU VM")
    args = parser.parse_args()
    keras.utils.set_random_seed(args.seed)
    trainer = Trainer(args)
    trainer.run()
    print(training_data.told(trainer.evaluate().result()), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
