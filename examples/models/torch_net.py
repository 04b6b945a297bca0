"""A net in PyTorch, with nothing of fallline; run, it writes its weights, some images and their logits to a file."""

import numpy as np
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 5, padding=2)
        self.output = nn.Linear(4 * 14 * 14, 10)

    def forward(self, images):
        """Images [batch, 1, 28, 28]; gives logits [batch, 10]."""
        x = nn.functional.max_pool2d(torch.relu(self.conv(images)), 2)
        return self.output(x.flatten(1))


if __name__ == "__main__":
    torch.manual_seed(0)
    net, images = Net(), torch.rand(4, 1, 28, 28)
    weights = {name: value.numpy() for name, value in net.state_dict().items()}
    np.savez_compressed("torch_net.npz", images=images.numpy(), logits=net(images).detach().numpy(), **weights)
