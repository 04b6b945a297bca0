"""A convnet for images of any size: 3 x 3 convolutions with pools, then a dense layer."""

from __future__ import annotations

from typing import Any

from fallline.contracts import Model
from fallline.later import jax, jnp
from fallline.models.initializers import uniform_by_inputs
from fallline.models.layers import Convolution, Dense


def cnn(height: int, width_pixels: int, channels: int, outputs: int, width: int = 16, depth: int = 2) -> Model:
    """A convnet: ``depth`` 3 x 3 convolutions with relu and 2 x 2 pools, the channels doubled each time.

    Equation::

        x_l = pool(relu(conv3x3(x_(l-1)))), outputs = W mean over pixels of x_depth + b

    Args:
        height: rows of an image
        width_pixels: columns of an image
        channels: 1 for grey images, 3 for colour
        outputs: logits per image
        width: channels after the first convolution
        depth: number of convolutions

    Source: LeCun et al., 1998; the mean over pixels: Lin, Chen and Yan, 2013
    """
    sizes = [channels, *(width * 2**layer for layer in range(depth))]

    def init(key: Any) -> dict[str, Any]:
        keys = jax.random.split(key, depth + 1)
        convolutions = [
            Convolution(
                uniform_by_inputs(keys[layer], (3, 3, sizes[layer], sizes[layer + 1]), 9 * sizes[layer]),
                jnp.zeros(sizes[layer + 1]),
            )
            for layer in range(depth)
        ]
        output = Dense(uniform_by_inputs(keys[-1], (outputs, sizes[-1]), sizes[-1]), jnp.zeros(outputs))
        return {"convolutions": convolutions, "output": output}

    def apply(net: dict[str, Any], images: Any) -> Any:
        x = images.reshape(images.shape[0], height, width_pixels, channels)
        for convolution in net["convolutions"]:
            x = convolution.pooled(x)
        return net["output"](x.mean((1, 2)))

    name = f"cnn-{height}x{width_pixels}x{channels}-{width}x{depth}-{outputs}"
    return Model(name, init, apply, looped=False)
