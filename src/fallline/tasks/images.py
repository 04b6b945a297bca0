"""Images to classes: MNIST, Fashion-MNIST and CIFAR-10, by a single layer, a dense net or a convnet."""

from __future__ import annotations

import math
from typing import Any

from fallline.contracts import Dataset, Model, Task
from fallline.datasets import find_dataset
from fallline.metrics import find_metric
from fallline.models.convnet import convnet
from fallline.models.mlp import mlp
from fallline.models.softmax import softmax
from fallline.models.workers import workers_convnet
from fallline.tasks.family import TaskFamily


def pixels(images: Any) -> Any:
    """Bytes [batch, height, width(, channels)] as numbers from 0 to 1, [batch, height * width * channels]."""
    return images.reshape(images.shape[0], -1).astype("float32") / 255


def centred_pixels(images: Any) -> Any:
    """Bytes as numbers from -1 to 1, flat: normalised by mean and standard deviation 0.5 as in PyTorch's examples."""
    return (pixels(images) - 0.5) / 0.5


def grey_images(images: Any) -> Any:
    """Bytes [batch, height, width] as numbers from 0 to 1, [batch, height, width, 1]."""
    return images[..., None].astype("float32") / 255


def _task(name: str, dataset: Dataset, model: Model, title: str, prepare: Any) -> Task:
    return Task(
        name,
        model,
        dataset.load,
        "softmax_cross_entropy",
        title=f"{title} on {_short(dataset)}",
        metrics={"accuracy": find_metric("accuracy")},
        prepare=prepare,
        examples=dataset.examples,
        classes=dataset.classes,
        shapes=dataset.shapes,
    )


def _softmax_task(name: str) -> Task:
    dataset = find_dataset(name)
    inputs, outputs = _pixel_count(dataset), len(dataset.classes)
    title = f"one layer {inputs}-{outputs}"
    return _task(f"{name}-softmax", dataset, softmax(inputs, outputs), title, pixels)


def _dense_family(name: str) -> TaskFamily:
    dataset = find_dataset(name)
    inputs, outputs = _pixel_count(dataset), len(dataset.classes)

    def make(hidden: int) -> Task:
        title = f"a net {inputs}-{hidden}-{outputs} with one hidden layer"
        return _task(f"{name}-mlp-{hidden}", dataset, mlp(inputs, hidden, outputs), title, centred_pixels)

    return TaskFamily(f"{name}-mlp", make, title=f"one hidden layer of H units on {_short(dataset)}")


def _pixel_count(dataset: Dataset) -> int:
    """Bytes of one image, by the shapes that the dataset declares."""
    assert dataset.shapes is not None, "a dataset of images declares its shapes"
    return math.prod(dataset.shapes("full").train.inputs.shape[1:])


def _short(dataset: Dataset) -> str:
    """Its title up to the comma: "MNIST"."""
    return dataset.title.partition(",")[0]


_MNIST = find_dataset("mnist")
MNIST_SOFTMAX = _softmax_task("mnist")
FASHION_SOFTMAX = _softmax_task("fashion-mnist")
MNIST_CONVNET = _task("mnist-convnet", _MNIST, convnet(), "two convolutions, two dense layers", grey_images)
MNIST_WORKERS = _task(
    "mnist-workers", _MNIST, workers_convnet(), "Keras' example: two convolutions, one pool", grey_images
)
MNIST_MLP = _dense_family("mnist")
FASHION_MLP = _dense_family("fashion-mnist")
CIFAR_MLP = _dense_family("cifar-10")
