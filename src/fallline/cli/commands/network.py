"""``fallline network``: networks of neurons written as text."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Show, draw and explain networks of neurons written as text.",
)

NetworkArgument = Annotated[
    str,
    typer.Argument(
        help="A network: its text, one neuron per line (; ends a line as well), or a file.", metavar="TEXT|FILE"
    ),
]


@app.command()
def show(text: NetworkArgument) -> None:
    """Print the inputs, layers, order and parameters of a network.

    Also its number of weights, and its text as fallline reads it.

    Example: fallline network show "xw = ap*xp + aq*xq; xo = cp*xw"
    """
    from fallline.cli.networks import show_network

    show_network(text)


@app.command()
def draw(
    text: NetworkArgument, out: Annotated[Path, typer.Option(help="The picture: a file that ends in .svg or .png.")]
) -> None:
    """Draw a network: inputs, neurons, parameters on the edges.

    Example: fallline network draw "xw = ap*xp + aq*xq; xo = cp*xw" --out net.svg
    """
    from fallline.cli.networks import draw_network

    draw_network(text, out)


@app.command()
def explain(
    at: Annotated[str, typer.Option(help="The example: xp=1,xq=2, or 1,2 in the order of the inputs.")],
    target: Annotated[str, typer.Option(help="The target of the output: 1, or xo=1,xz=0 for several outputs.")],
    text: Annotated[
        str | None,
        typer.Argument(
            help="The network: its text (; ends a line) or a file; with --run it is the run's.",
            metavar="TEXT|FILE",
            show_default=False,
        ),
    ] = None,
    values: Annotated[
        str | None,
        typer.Option(
            help="Every parameter, and bias_NEURON of each neuron: ap=0.5,aq=0.2,bias_xw=0.", show_default=False
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            help="Without --values they are drawn uniformly in [0, 1) from this seed, as a training is initialised; "
            "0 by default.",
            min=0,
            max=2**31 - 1,
            show_default=False,
        ),
    ] = None,
    run: Annotated[
        Path | None,
        typer.Option(help="A run folder: the values that its best trial learnt.", metavar="DIR", show_default=False),
    ] = None,
    trial: Annotated[
        str | None, typer.Option(help="A trial of that run, by its first letters.", show_default=False)
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(
            help="A learning rate: print the values after one step of gradient descent as well.", show_default=False
        ),
    ] = None,
) -> None:
    """Explain one example: each value forward, each gradient back.

    Printed as tables to follow with a pencil. The loss is the sum over outputs of (output - target)^2.

    Example: fallline network explain "xw = ap*xp + aq*xq" --at xp=1,xq=2 --target 1 --rate 0.1
    """
    from fallline.cli.networks import explain_network

    explain_network(text, at, target, values, seed, run, trial, rate)
