"""A small ResNet on the sample of CIFAR-10, with batch normalisation, and the best net back in PyTorch."""

from nets import SmallResNet

import fallline
from fallline.datasets import find_dataset

images = find_dataset("cifar-10").load("sample", None)
task = fallline.from_arrays(
    "cifar-resnet",
    model=fallline.from_torch(SmallResNet),
    train=images.train,
    validation=images.validation,
    test=images.test,
    loss="softmax_cross_entropy",
    metrics=["accuracy"],
    prepare=lambda images: images.astype("float32") / 255,
)
study = fallline.Study(
    name="torch-resnet",
    task=task,
    seeds=5,
    base={"batch_size": 50, "steps": 60},
    axes={"optimizer": ["torch.adamw", "torch.sgd(momentum=0.9)"], "learning_rate": [0.1, 0.01, 0.001]},
    keep_weights="best",
)

if __name__ == "__main__":
    result = fallline.run(study, resume=True)
    print(result)
    print(result.save_torch(None, result.folder / "resnet.pt"))
