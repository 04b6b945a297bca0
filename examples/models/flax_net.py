"""A net in Flax NNX, with nothing of fallline: two dense layers with batch normalisation and dropout between them."""

import jax
from flax import nnx


class Net(nnx.Module):
    def __init__(self, rngs, width=64):
        self.hidden = nnx.Linear(784, width, rngs=rngs)
        self.norm = nnx.BatchNorm(width, momentum=0.9, rngs=rngs)
        self.dropout = nnx.Dropout(0.2, rngs=rngs)
        self.output = nnx.Linear(width, 10, rngs=rngs)

    def __call__(self, images):
        """Images [batch, 28, 28]; gives logits [batch, 10]."""
        x = self.norm(self.hidden(images.reshape(len(images), -1)))
        return self.output(self.dropout(jax.nn.relu(x)))
