"""A study of a net in Keras 3: Adam or momentum, at which rate, with how much dropout?"""

import os

os.environ["KERAS_BACKEND"] = "jax"  # before keras is imported

from models.keras_net import make_net

import fallline
from fallline.datasets import find_dataset

digits = find_dataset("mnist").load("sample", None)
task = fallline.from_arrays(
    "digits-keras",
    model=fallline.from_keras(make_net, name="keras-net", dropout_rate=0.2),
    train=digits.train,
    validation=digits.validation,
    loss="softmax_cross_entropy",
    metrics=["accuracy"],
    prepare=lambda images: images.astype("float32") / 255,
)
base = {"batch_size": 50, "steps": 100}
axes = {"optimizer": ["adam", "momentum"], "learning_rate": [0.01, 0.001], "dropout_rate": [0.0, 0.5]}

if __name__ == "__main__":
    print(fallline.run(fallline.Study(name="own-keras", task=task, base=base, axes=axes)).summary())
