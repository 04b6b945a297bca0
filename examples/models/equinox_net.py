"""A net in equinox, with nothing of fallline: two dense layers with batch normalisation and dropout between them."""

import equinox as eqx
import jax


class Net(eqx.Module):
    hidden: eqx.nn.Linear
    norm: eqx.nn.BatchNorm
    dropout: eqx.nn.Dropout
    output: eqx.nn.Linear

    def __init__(self, key, width=64):
        first, second = jax.random.split(key)
        self.hidden = eqx.nn.Linear(784, width, key=first)
        self.norm = eqx.nn.BatchNorm(width, axis_name="batch", momentum=0.9, mode="batch")
        self.dropout = eqx.nn.Dropout(0.2)
        self.output = eqx.nn.Linear(width, 10, key=second)

    def __call__(self, image, state, *, key=None):
        """One image [28, 28] and the state; gives the logits [10] and the state after."""
        x, state = self.norm(self.hidden(image.reshape(-1)), state)
        return self.output(self.dropout(jax.nn.relu(x), key=key)), state
