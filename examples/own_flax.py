"""A study of a net in Flax NNX: Adam or momentum, at which rate, with how much dropout?"""

from models.flax_net import Net

import fallline
from fallline.datasets import find_dataset

digits = find_dataset("mnist").load("sample", None)

DIGITS = fallline.from_arrays(
    "digits-flax",
    model=fallline.from_flax(Net, name="flax-net"),
    train=digits.train,
    validation=digits.validation,
    test=digits.test,
    loss="softmax_cross_entropy",
    metrics=["accuracy"],
    prepare=lambda images: images.astype("float32") / 255,
)

if __name__ == "__main__":
    study = fallline.Study(
        name="own-flax",
        task=DIGITS,
        base={"batch_size": 50, "steps": 100},
        axes={"optimizer": ["adam", "momentum"], "learning_rate": [0.01, 0.001], "dropout_rate": [0.0, 0.5]},
    )
    print(fallline.run(study).summary())
