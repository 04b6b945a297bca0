"""A net in Keras 3, with nothing of fallline: a small convnet with batch normalisation and dropout."""

import keras
from keras import layers


def make_net(filters=8):
    """Images [batch, 28, 28]; gives logits [batch, 10]."""
    return keras.Sequential(
        [
            keras.Input((28, 28)),
            layers.Reshape((28, 28, 1)),
            layers.Conv2D(filters, 5, strides=2),
            layers.BatchNormalization(momentum=0.9),
            layers.ReLU(),
            layers.Flatten(),
            layers.Dropout(0.2),
            layers.Dense(10),
        ]
    )
