"""What can go wrong, as a tree. Every error says what came, what the law is and what to write instead.

FalllineError
|-- StudyError      a study, a recipe or a number in it is not what it must be
|   |-- NumberError     a number breaks its law: out of range, not a number, not one the rule takes
|   `-- UnknownName     no such optimizer, loss, task, dataset, study or figure; the near names are listed
|-- DataError       a data file is missing, torn, wrong or hostile
|-- StoreError      a run folder cannot be read, written or continued
|-- JobsError       jobs of a run failed, were cancelled or were lost; what was trained is kept
|-- ProcessError    of processes that train together one is gone
`-- ModelError      a model or task of the user's does not do what its contract says
    `-- NetworkError    the text of a network of neurons cannot be read or makes no sense

FalllineWarning   something that a person should hear of, and that stops nothing
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence

CALLED_HERE = {
    "sgd": ("gradient_descent",),
    "gd": ("gradient_descent",),
    "vanilla_sgd": ("gradient_descent",),
    "sgd_momentum": ("momentum",),
    "sgdm": ("momentum",),
    "heavy_ball": ("momentum",),
    "nag": ("nesterov",),
    "sgd_nesterov": ("nesterov",),
    "rms_prop": ("rmsprop",),
    "adam_w": ("adamw",),
    "ada_grad": ("adagrad",),
    "ada_delta": ("adadelta",),
    "signsgd": ("sign_sgd",),
    "sgd+": ("sgd_plus",),
    "mse": ("mean_squared_error", "squared_error"),
    "mse_loss": ("squared_error",),
    "mseloss": ("squared_error",),
    "l2_loss": ("squared_error",),
    "mae": ("mean_absolute_error",),
    "acc": ("accuracy",),
    "bce": ("sigmoid_cross_entropy",),
    "binary_cross_entropy": ("sigmoid_cross_entropy",),
    "binary_crossentropy": ("sigmoid_cross_entropy",),
    "bce_with_logits": ("sigmoid_cross_entropy",),
    "bcewithlogitsloss": ("sigmoid_cross_entropy",),
    "bceloss": ("sigmoid_cross_entropy",),
    "ce": ("softmax_cross_entropy",),
    "cross_entropy": ("softmax_cross_entropy",),
    "crossentropyloss": ("softmax_cross_entropy",),
    "categorical_crossentropy": ("softmax_cross_entropy",),
    "sparse_categorical_crossentropy": ("sparse_softmax_cross_entropy",),
    "nll": ("softmax_cross_entropy",),
    "smooth_l1": ("huber",),
    "focal": ("sigmoid_focal",),
    "focal_loss": ("sigmoid_focal",),
    "lr": ("learning_rate",),
    "eta": ("learning_rate",),
    "rate": ("learning_rate",),
    "step_size": ("learning_rate",),
    "wd": ("weight_decay",),
    "decay": ("decay", "weight_decay"),
    "l2": ("l2", "l2_penalty"),
    "l1": ("l1", "l1_penalty"),
    "b1": ("beta1",),
    "b2": ("beta2",),
    "beta_1": ("beta1",),
    "beta_2": ("beta2",),
    "eps": ("epsilon",),
    "mu": ("momentum",),
    "bs": ("batch_size",),
    "batch": ("batch_size",),
    "batchsize": ("batch_size",),
    "warmup": ("warmup_steps", "warmup_epochs"),
    "grad_clip": ("clip_norm",),
    "clip": ("clip_norm",),
    "max_grad_norm": ("clip_norm",),
    "dropout": ("dropout_rate",),
    "ema": ("ema_decay",),
    "epoch": ("epochs",),
    "step": ("step", "steps"),
    "seed": ("seed", "seeds"),
    "cosine_decay": ("cosine",),
    "step_decay": ("piecewise",),
    "exp": ("exponential",),
    "none": ("constant",),
    "plateau": ("reduce_on_plateau",),
}
"""What other libraries and papers call things, and what they are called here. They are answered and not taken as they
are: a mean over outputs is not a sum, and a loss of logits not one of probabilities.
"""


MOST_LINES, MOST_SIGNS, LONGEST_WORD = 24, 1600, 400
"""A screen: what a message may have. A path is a word too."""

HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]"
)
"""What a terminal obeys instead of showing it, what turns the direction of text, and halves of signs."""


def printable(text: str) -> str:
    """``text`` with each sign that a terminal or a page would obey, and not show, as Python writes it.

    >>> print(printable("\x1b[31mred"))
    \x1b[31mred
    """
    return HIDDEN.sub(lambda found: ascii(found[0])[1:-1], text)


def a_screen_of(text: str) -> str:
    """``text`` where it fits on a screen; else its beginning and its end, where the remedy stands."""
    text = re.sub(rf"\S{{{LONGEST_WORD},}}", lambda found: f"{found[0][:100]}...{found[0][-20:]}", text)
    lines = text.split("\n")
    if len(lines) > MOST_LINES:
        left_out = len(lines) - MOST_LINES + 1
        lines[MOST_LINES - 8 : -7] = [f"... ({left_out:,} lines are left out)"]
        text = "\n".join(lines)
    if len(text) > MOST_SIGNS:
        half = MOST_SIGNS // 2 - 50
        text = f"{text[:half]} ... ({len(text) - 2 * half:,} signs are left out) ... {text[-half:]}"
    return text


def but_an_interrupt(failure: BaseException) -> None:
    """Raise ``failure`` where it is Ctrl-C. All else that a user's function raises, an exit or the end of a generator
    too, is a failure of that function."""
    if isinstance(failure, KeyboardInterrupt):
        raise failure


class FalllineError(Exception):
    """The root. The command line prints its text alone and exits with 2. No text is longer than a screen."""

    def __str__(self) -> str:
        return a_screen_of(super().__str__())


class FalllineWarning(UserWarning):
    """Something that a person should hear of, and that stops nothing. The command line prints its text alone."""


class StudyError(FalllineError):
    """A study, a recipe or a part of one is not what it must be."""


class HyperparameterError(StudyError):
    """A number breaks its law."""


LONGEST_NAME = 100
"""Of an unknown name; more of it says no more."""


class UnknownName(StudyError):
    """A name that nothing answers to.

    ``kind`` is the word for what was looked for ("optimizer"), ``name`` what came, ``known`` what there is, ``where``
    the place in the study.
    """

    def __init__(self, kind: str, name: object, known: Iterable[str], where: str = ""):
        self.kind, self.name, self.known, self.where = kind, str(name), sorted(known), where
        near = _meant(self.name, self.known)
        if near:
            remedy = "did you mean " + " or ".join(near) + "?"
        else:
            remedy = "there are: " + ", ".join(self.known)
        place = f" ({where})" if where else ""
        named = self.name if len(self.name) <= LONGEST_NAME else f"{self.name[:LONGEST_NAME]}..."
        super().__init__(f"no {kind} is named {named!r}{place}; {remedy}")


def _meant(name: str, known: Sequence[str]) -> list[str]:
    """What was most likely meant: what it is called here, else names written alike, the likeliest first."""
    here = [
        ours
        for ours in CALLED_HERE.get(name.strip().casefold().replace("-", "_").replace(" ", "_"), ())
        if ours in known
    ]
    return here or difflib.get_close_matches(name[:LONGEST_NAME], known, n=3, cutoff=0.5)


class DataError(FalllineError):
    """A data file is missing, torn, wrong or hostile. Nothing of it was used."""


class StoreError(FalllineError):
    """A run folder cannot be read, written or continued."""


class JobsError(FalllineError):
    """Jobs of a run failed, were cancelled or were lost; what was trained is kept."""


class ProcessError(FalllineError):
    """Of processes that train together one is gone; what was written before is kept."""


class ModelError(FalllineError):
    """A model or a task does not do what its contract says."""


class NetworkError(ModelError):
    """The text of a network of neurons cannot be read or makes no sense; the message shows the place."""
