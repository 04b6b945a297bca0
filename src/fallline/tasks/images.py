"""Images to classes: MNIST, Fashion-MNIST and CIFAR-10, by a single layer, a dense net or a convnet."""

from __future__ import annotations

from typing import Any

from fallline.contracts import Model, Task
from fallline.datasets import find_dataset
from fallline.metrics import find_metric
from fallline.models.convnet import convnet
from fallline.models.mlp import mlp
from fallline.models.softmax import softmax
from fallline.models.workers import workers_convnet
from fallline.tasks.family import TaskFamily

PIXELS = {"mnist": 28 * 28, "fashion-mnist": 28 * 28, "cifar-10": 32 * 32 * 3}
TITLES = {"mnist": "MNIST", "fashion-mnist": "Fashion-MNIST", "cifar-10": "CIFAR-10"}


def pixels(images: Any) -> Any:
    """Bytes [batch, height, width(, channels)] as numbers from 0 to 1, [batch, height * width * channels]."""
    return images.reshape(images.shape[0], -1).astype("float32") / 255


def centred_pixels(images: Any) -> Any:
    """Bytes as numbers from -1 to 1, flat: mean 0.5 and deviation 0.5 taken off, as PyTorch's examples do."""
    return (pixels(images) - 0.5) / 0.5


def grey_images(images: Any) -> Any:
    """Bytes [batch, height, width] as numbers from 0 to 1, [batch, height, width, 1]."""
    return images[..., None].astype("float32") / 255


def _task(name: str, dataset: str, model: Model, title: str, prepare: Any) -> Task:
    known = find_dataset(dataset)
    return Task(
        name,
        model,
        known.load,
        "softmax_cross_entropy",
        title=f"{title} on {TITLES[dataset]}",
        metrics={"accuracy": find_metric("accuracy")},
        prepare=prepare,
        examples=known.examples,
        classes=known.classes,
        shapes=known.shapes,
    )


def _softmax_task(dataset: str) -> Task:
    return _task(f"{dataset}-softmax", dataset, softmax(PIXELS[dataset], 10), "one layer 784-10", pixels)


def _dense_family(dataset: str) -> TaskFamily:
    def make(hidden: int) -> Task:
        size = PIXELS[dataset]
        return _task(
            f"{dataset}-mlp-{hidden}",
            dataset,
            mlp(size, hidden, 10),
            f"a net {size}-{hidden}-10 with one hidden layer",
            centred_pixels,
        )

    return TaskFamily(f"{dataset}-mlp", make, title=f"one hidden layer of H units on {TITLES[dataset]}")


MNIST_SOFTMAX = _softmax_task("mnist")
FASHION_SOFTMAX = _softmax_task("fashion-mnist")
MNIST_CONVNET = _task("mnist-convnet", "mnist", convnet(), "two convolutions, two dense layers", grey_images)
MNIST_WORKERS = _task(
    "mnist-workers", "mnist", workers_convnet(), "Keras' example: two convolutions, one pool", grey_images
)
MNIST_MLP = _dense_family("mnist")
FASHION_MLP = _dense_family("fashion-mnist")
CIFAR_MLP = _dense_family("cifar-10")
