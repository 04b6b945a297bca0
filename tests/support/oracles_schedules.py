"""The schedules in plain Python, one step after another, written from their equations and from nothing else.

``factors(name, steps, steps_per_epoch, total_steps, **hyperparameters)`` gives the factor of each of ``steps``. Time
is a fraction here, exact, so that a boundary or a whole turn is where it is written; only the last formula is rounded.
"""

from __future__ import annotations

import math
from fractions import Fraction


def factors(
    name,
    steps,
    steps_per_epoch,
    total_steps,
    warmup_steps=None,
    warmup_epochs=None,
    warmup_from=0.0,
    workers=1,
    **hyperparameters,
):
    found = []
    for step in steps:
        in_steps, in_epochs = Fraction(step), Fraction(step, steps_per_epoch)
        value = SCHEDULES[name](in_steps, in_epochs, total_steps, **hyperparameters)
        warm = None
        if warmup_steps is not None:
            warm = in_steps / exact(warmup_steps)
        if warmup_epochs is not None:
            warm = in_epochs / exact(warmup_epochs)
        if warm is None or warm >= 1:
            value *= workers
        else:
            value *= warmup_from * (1 - float(warm)) + workers * float(warm)
        found.append(value)
    return found


def exact(number):
    """The decimal a user wrote."""
    return Fraction(str(number))


def share(in_steps, in_epochs, total_steps, decay_steps, decay_epochs):
    if decay_steps is not None:
        return in_steps / exact(decay_steps)
    if decay_epochs is not None:
        return in_epochs / exact(decay_epochs)
    return in_steps / total_steps


def constant(in_steps, in_epochs, total_steps):
    return 1.0


def exponential(in_steps, in_epochs, total_steps, decay_rate=0.96, decay_steps=None, decay_epochs=None, staircase=0):
    turns = share(in_steps, in_epochs, total_steps, decay_steps, decay_epochs)
    if staircase:
        value = 1.0
        for _ in range(math.floor(turns)):
            value *= decay_rate
        return value
    return math.exp(float(turns) * math.log(decay_rate))


def inverse_time(in_steps, in_epochs, total_steps, decay_rate=0.5, decay_steps=None, decay_epochs=None, staircase=0):
    turns = share(in_steps, in_epochs, total_steps, decay_steps, decay_epochs)
    return 1.0 / (1.0 + decay_rate * float(math.floor(turns) if staircase else turns))


def piecewise(in_steps, in_epochs, total_steps, factors, boundary_steps=None, boundary_epochs=None):
    time, boundaries = (in_steps, boundary_steps) if boundary_steps is not None else (in_epochs, boundary_epochs)
    for boundary, factor in zip(boundaries, factors, strict=False):
        if time <= exact(boundary):
            return factor
    return factors[-1]


def polynomial(
    in_steps, in_epochs, total_steps, decay_steps=None, decay_epochs=None, end_factor=1e-4, power=1.0, cycle=0
):
    done = share(in_steps, in_epochs, total_steps, decay_steps, decay_epochs)
    if cycle:
        turn = 1
        while done > turn:
            turn += 1
        done = done / turn
    if done > 1:
        done = Fraction(1)
    return end_factor + (1.0 - end_factor) * float(1 - done) ** power


def cosine(in_steps, in_epochs, total_steps, decay_steps=None, decay_epochs=None, end_factor=0.0):
    done = share(in_steps, in_epochs, total_steps, decay_steps, decay_epochs)
    if done >= 1:
        return end_factor
    return end_factor + (1.0 - end_factor) * math.cos(math.pi / 2 * float(done)) ** 2


def one_cycle(in_steps, in_epochs, total_steps, rise_fraction=0.3, start_factor=0.04, end_factor=1e-4, linear=0):
    done, top = in_steps / total_steps, exact(rise_fraction)
    if done <= top:
        begin, end, part = start_factor, 1.0, float(done / top)
    else:
        begin, end, part = 1.0, end_factor, min(1.0, float((done - top) / (1 - top)))
    if not linear:
        part = math.sin(math.pi / 2 * part) ** 2
    return begin * (1 - part) + end * part


def reduce_on_plateau(in_steps, in_epochs, total_steps, **hyperparameters):
    return 1.0


SCHEDULES = {
    function.__name__: function
    for function in (constant, exponential, inverse_time, piecewise, polynomial, cosine, one_cycle, reduce_on_plateau)
}
