"""A transformer of two layers on four sonnets, and the best net back in PyTorch."""

from nets import CharTransformer
from text import train, validation

import fallline

task = fallline.from_arrays(
    "sonnets-transformer",
    model=fallline.from_torch(CharTransformer, example=train[0][:8]),
    train=train,
    validation=validation,
    loss="softmax_cross_entropy",
    metrics=["accuracy"],
)
study = fallline.Study(
    name="torch-transformer",
    task=task,
    seeds=5,
    base={"batch_size": 64, "steps": 200},
    axes={"optimizer": ["torch.adam", "torch.rmsprop"], "learning_rate": [0.03, 0.01, 0.003]},
    keep_weights="best",
)

if __name__ == "__main__":
    result = fallline.run(study, resume=True)
    print(result)
    print(result.save_torch(None, result.folder / "transformer.pt"))
