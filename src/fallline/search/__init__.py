"""Search of hyperparameters: asked in batches, halved at rungs, and judged on fresh seeds.

``space`` says where values are drawn from, ``samplers`` which are tried, ``halving`` which advance, ``driver`` runs it
all and ``records`` keeps it. Each rung is an ordinary study: its lanes train in one program, and a kill loses nothing.
"""
