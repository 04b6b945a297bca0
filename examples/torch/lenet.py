"""LeNet on MNIST: two optimizers, three learning rates and five seeds at once, and the best net back in PyTorch."""

from nets import LeNet

import fallline
from fallline.datasets import find_dataset

digits = find_dataset("mnist").load("sample", None)
task = fallline.from_arrays(
    "digits-lenet",
    model=fallline.from_torch(LeNet),
    train=digits.train,
    validation=digits.validation,
    test=digits.test,
    loss="softmax_cross_entropy",
    metrics=["accuracy"],
    prepare=lambda images: images.astype("float32") / 255,
)
study = fallline.Study(
    name="torch-lenet",
    task=task,
    seeds=5,
    base={"batch_size": 50, "steps": 100},
    axes={"optimizer": ["torch.adam", "torch.sgd(momentum=0.9)"], "learning_rate": [0.1, 0.01, 0.001]},
    keep_weights="best",
)

if __name__ == "__main__":
    result = fallline.run(study, resume=True)
    print(result)
    net = result.load_into(LeNet())  # the best trial, for PyTorch
    print(net, result.save_torch(None, result.folder / "lenet.pt"))
