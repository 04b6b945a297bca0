"""Models of sequences of characters that predict the next one: an LSTM and a small transformer."""

from __future__ import annotations

from typing import Any

from fallline.contracts import Model
from fallline.later import jax, jnp
from fallline.models.initializers import uniform_by_inputs

HEADS = 4
"""Attention heads of the transformer, as far as they divide its width."""


def lstm(context: int, vocabulary: int, width: int, depth: int = 1) -> Model:
    """An LSTM that reads ``context`` characters and predicts the next.

    Equation::

        i, f, o = sigmoid(...), g = tanh(...), c = f c + i g, h = o tanh(c)

    Args:
        context: characters per example, int [batch, context]
        vocabulary: different characters, and logits per example
        width: units of each layer, and values per embedded character
        depth: number of layers

    Source: Hochreiter and Schmidhuber, 1997; with the forget gate of Gers et al., 2000, whose bias is 1 at first
    """

    def init(key: Any) -> dict[str, Any]:
        keys = jax.random.split(key, depth + 2)
        return {
            "embedding": jax.random.normal(keys[0], (vocabulary, width)),
            "layers": [_lstm_layer(keys[1 + layer], width) for layer in range(depth)],
            "output": _dense(keys[-1], width, vocabulary),
        }

    def apply(net: dict[str, Any], characters: Any) -> Any:
        x = net["embedding"][characters.astype(jnp.int32)].swapaxes(0, 1)  # [context, batch, width]
        for layer in net["layers"]:
            start = jnp.zeros(x.shape[1:], x.dtype)

            def step(carried: Any, now: Any, layer: Any = layer) -> tuple[Any, Any]:
                h, c = carried
                gates = jnp.concatenate([now, h], axis=-1) @ layer["weights"] + layer["biases"][None, :]
                i, f, o, g = jnp.split(gates, 4, axis=-1)
                c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
                h = jax.nn.sigmoid(o) * jnp.tanh(c)
                return (h, c), h

            _, x = jax.lax.scan(step, (start, start), x)
        return _affine(net["output"], x[-1])

    return Model(f"lstm-{context}-{vocabulary}-{width}x{depth}", init, apply)


def transformer(context: int, vocabulary: int, width: int, depth: int = 2) -> Model:
    """A transformer that reads ``context`` characters and predicts the next; layer norm comes before each block.

    Equation::

        x = x + attention(norm(x)), x = x + W2 gelu(W1 norm(x))

    Args:
        context: characters per example, int [batch, context]
        vocabulary: different characters, and logits per example
        width: values per character; the hidden layer of a block has four times as many units
        depth: number of blocks

    Source: Vaswani et al., 2017; the norm before each block: Xiong et al., 2020
    """
    heads = max(count for count in range(1, HEADS + 1) if width % count == 0)

    def init(key: Any) -> dict[str, Any]:
        keys = jax.random.split(key, depth + 3)
        return {
            "embedding": 0.02 * jax.random.normal(keys[0], (vocabulary, width)),
            "positions": 0.02 * jax.random.normal(keys[1], (context, width)),
            "blocks": [_block(keys[2 + layer], width) for layer in range(depth)],
            "norm": _norm_weights(width),
            "output": _dense(keys[-1], width, vocabulary),
        }

    def apply(net: dict[str, Any], characters: Any) -> Any:
        x = net["embedding"][characters.astype(jnp.int32)] + net["positions"][None]
        for block in net["blocks"]:
            x = x + _attention(block, _normed(block["first"], x), heads)
            hidden = jax.nn.gelu(_affine(block["up"], _normed(block["second"], x)))
            x = x + _affine(block["down"], hidden)
        return _affine(net["output"], _normed(net["norm"], x[:, -1]))

    return Model(f"transformer-{context}-{vocabulary}-{width}x{depth}", init, apply)


def _lstm_layer(key: Any, width: int) -> dict[str, Any]:
    biases = jnp.concatenate([jnp.zeros(width), jnp.ones(width), jnp.zeros(2 * width)])
    return {"weights": uniform_by_inputs(key, (2 * width, 4 * width), width), "biases": biases}


def _block(key: Any, width: int) -> dict[str, Any]:
    qkv, out, up, down = jax.random.split(key, 4)
    return {
        "first": _norm_weights(width),
        "qkv": _dense(qkv, width, 3 * width),
        "out": _dense(out, width, width),
        "second": _norm_weights(width),
        "up": _dense(up, width, 4 * width),
        "down": _dense(down, 4 * width, width),
    }


def _attention(block: dict[str, Any], x: Any, heads: int) -> Any:
    """Causal attention is not needed: every character of the context comes before the one that is predicted."""
    batch, context, width = x.shape
    q, k, v = (
        part.reshape(batch, context, heads, width // heads) for part in jnp.split(_affine(block["qkv"], x), 3, axis=-1)
    )
    shares = jax.nn.softmax(jnp.einsum("bqhd,bkhd->bhqk", q, k) / jnp.sqrt(jnp.float32(width // heads)))
    return _affine(block["out"], jnp.einsum("bhqk,bkhd->bqhd", shares, v).reshape(batch, context, width))


def _norm_weights(width: int) -> dict[str, Any]:
    return {"scale": jnp.ones(width), "shift": jnp.zeros(width)}


def _normed(norm: dict[str, Any], x: Any) -> Any:
    """Layer norm over the last dimension (Ba et al., 2016)."""
    centred = x - x.mean(-1, keepdims=True)
    shape = (1,) * (x.ndim - 1) + (-1,)
    normed = centred * jax.lax.rsqrt((centred**2).mean(-1, keepdims=True) + 1e-5)
    return normed * norm["scale"].reshape(shape) + norm["shift"].reshape(shape)


def _dense(key: Any, inputs: int, outputs: int) -> dict[str, Any]:
    weights, biases = jax.random.split(key)
    return {
        "weights": uniform_by_inputs(weights, (inputs, outputs), inputs),
        "biases": uniform_by_inputs(biases, (outputs,), inputs),
    }


def _affine(dense: dict[str, Any], x: Any) -> Any:
    return x @ dense["weights"] + dense["biases"].reshape((1,) * (x.ndim - 1) + (-1,))
