"""An optimizer of one's own: Adam whose gradient is cut to a norm first, put together from optax's parts."""

import optax

import fallline


def _clipped_adam(learning_rate, clip):
    return optax.chain(optax.clip_by_global_norm(clip), optax.adam(learning_rate))


CLIPPED_ADAM = fallline.Optimizer(
    "clipped_adam",
    _clipped_adam,
    hyperparameters=(
        fallline.Hyperparameter("learning_rate", default=None, low=0, low_open=True, meaning="how far a step goes"),
        fallline.Hyperparameter(
            "clip", default=1.0, low=0, low_open=True, meaning="longest gradient that is left as it is"
        ),
    ),
    title="clipped Adam",
    equation="g = g min(1, clip / |g|), then Adam",
    source="Pascanu, Mikolov and Bengio, 2013; Kingma and Ba, 2015",
)

if __name__ == "__main__":
    study = fallline.Study(
        name="clipping",
        task="line",
        metric="final_train_loss",
        base={"batch_size": "all", "steps": 300, "learning_rate": 0.3},
        axes={"optimizer": ["adam", CLIPPED_ADAM], "clipped_adam": {"clip": [0.1, 1.0, 10.0]}},
    )
    print(fallline.run(study).summary().select("rank", "optimizer", "clip", "final_train_loss_mean"))
