"""Four networks in PyTorch. Nothing in this file knows fallline or JAX."""

import torch
from torch import nn
from torch.nn import functional as F

CONTEXT, VOCABULARY = 24, 64


class LeNet(nn.Module):
    """LeNet-5 on images [batch, 28, 28] in [0, 1]."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 6, 5, padding=2), nn.Conv2d(6, 16, 5)
        self.dense = nn.Sequential(nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10))

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.first(x[:, None])), 2)
        x = F.max_pool2d(F.relu(self.second(x)), 2)
        return self.dense(torch.flatten(x, 1))


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.second = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norms = nn.ModuleList([nn.BatchNorm2d(outputs), nn.BatchNorm2d(outputs)])
        self.shortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=False) if stride > 1 else nn.Identity()

    def forward(self, x):
        y = F.relu(self.norms[0](self.first(x)))
        return F.relu(self.norms[1](self.second(y)) + self.shortcut(x))


class SmallResNet(nn.Module):
    """Three residual blocks on colour images [batch, 32, 32, 3] in [0, 1]."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 16, 3, 2, 1), Block(16, 16, 1), Block(16, 32, 2), Block(32, 64, 2))
        self.output = nn.Linear(64, 10)

    def forward(self, x):
        return self.output(self.body(x.permute(0, 3, 1, 2)).mean((2, 3)))


class CharLSTM(nn.Module):
    """The next character after CONTEXT ones [batch, CONTEXT]."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, 24)
        self.lstm = nn.LSTM(24, 48, batch_first=True)
        self.output = nn.Linear(48, VOCABULARY)

    def forward(self, x):
        return self.output(self.lstm(self.embedding(x))[0][:, -1])


class CharTransformer(nn.Module):
    """The same with two causal layers of attention."""

    def __init__(self):
        super().__init__()
        self.embedding, self.places = nn.Embedding(VOCABULARY, 32), nn.Parameter(0.1 * torch.randn(CONTEXT, 32))
        layer = nn.TransformerEncoderLayer(32, 4, 64, dropout=0.1, batch_first=True, norm_first=True)
        self.body = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.output = nn.Linear(32, VOCABULARY)
        self.register_buffer("mask", nn.Transformer.generate_square_subsequent_mask(CONTEXT), persistent=False)

    def forward(self, x):
        return self.output(self.body(self.embedding(x) + self.places, mask=self.mask, is_causal=True)[:, -1])
