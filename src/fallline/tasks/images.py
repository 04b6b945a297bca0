"""Images to classes with a single layer: MNIST and Fashion-MNIST."""

from __future__ import annotations

from typing import Any

from fallline.contracts import Task
from fallline.datasets import find_dataset
from fallline.models.softmax import softmax_layer
from fallline.tasks.metrics import METRICS


def pixels(images: Any) -> Any:
    """Bytes [batch, height, width] as numbers from 0 to 1, [batch, height * width]."""
    return images.reshape(images.shape[0], -1).astype("float32") / 255


def _softmax_task(dataset: str, title: str) -> Task:
    def data(size: str, folder: Any) -> Any:
        return find_dataset(dataset).load(size, folder)

    return Task(f"{dataset}-softmax", softmax_layer(784, 10), data, "softmax_cross_entropy", title=title,
                metrics={"accuracy": METRICS["accuracy"]}, prepare=pixels)


MNIST_SOFTMAX = _softmax_task("mnist", "one layer 784-10 on MNIST")
FASHION_SOFTMAX = _softmax_task("fashion-mnist", "one layer 784-10 on Fashion-MNIST")
