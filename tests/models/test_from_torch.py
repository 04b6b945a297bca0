"""Modules of PyTorch compute, learn and remember as they do in PyTorch; what cannot be trained is refused in words."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fallline
from fallline.errors import ModelError

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install 'fallline[torch]'")

from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from fallline.models.pytorch.module import TorchModule  # noqa: E402


class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 4, 5, padding=2), nn.Conv2d(4, 8, 5)
        self.hidden, self.output = nn.Linear(200, 30), nn.Linear(30, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.first(x)), 2)
        x = F.max_pool2d(F.relu(self.second(x)), 2)
        return self.output(F.relu(self.hidden(torch.flatten(x, 1))))


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.past = nn.Identity() if stride == 1 else nn.Conv2d(inputs, outputs, 1, stride, bias=False)

    def forward(self, x):
        return F.relu(self.body(x) + self.past(x))


class ResNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3, 1, 1), Block(4, 4, 1), Block(4, 8, 2))
        self.output = nn.Linear(8, 5)

    def forward(self, x):
        return self.output(F.adaptive_avg_pool2d(self.body(x), 1).flatten(1))


class Transformer(nn.Module):
    """With tied weights, a causal mask in a buffer, and a row of the embedding that is never trained."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(20, 8, padding_idx=0)
        self.places = nn.Parameter(torch.randn(6, 8) * 0.02)
        layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.1, batch_first=True)
        self.layers = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.output = nn.Linear(8, 20, bias=False)
        self.output.weight = self.embedding.weight
        self.register_buffer("mask", torch.triu(torch.full((6, 6), float("-inf")), 1))

    def forward(self, x):
        return self.output(self.layers(self.embedding(x) + self.places, mask=self.mask, is_causal=True))


class Recurrent(nn.Module):
    def __init__(self, kind, both_ways=False):
        super().__init__()
        self.embedding = nn.Embedding(20, 5)
        self.layers = kind(5, 6, num_layers=2, dropout=0.3, batch_first=True, bidirectional=both_ways)
        self.output = nn.Linear(12 if both_ways else 6, 20)

    def forward(self, x):
        return self.output(self.layers(self.embedding(x))[0])


class Mixed(nn.Module):
    """Groups, dilation, a transposed convolution, norms over groups and examples, channels that are dropped."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(4, 8, 3, stride=2, padding=1, groups=2),
            nn.GELU(),
            nn.Conv2d(8, 8, 3, padding=2, dilation=2, groups=8),
            nn.SiLU(),
            nn.ConvTranspose2d(8, 6, 3, stride=2, padding=1, output_padding=1),
            nn.GroupNorm(2, 6),
            nn.InstanceNorm2d(6, affine=True),
            nn.PReLU(6),
            nn.Dropout2d(0.2),
            nn.AvgPool2d(3, 2, 1, count_include_pad=False),
            nn.Flatten(),
            nn.Linear(96, 5),
        )

    def forward(self, x):
        return self.body(x)


def mlp():
    return nn.Sequential(
        nn.Flatten(), nn.Linear(12, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Dropout(0.3), nn.Linear(8, 3), nn.LogSoftmax(1)
    )


NETS = {
    "mlp": (mlp, lambda rng: rng.normal(size=(7, 3, 4))),
    "lenet": (LeNet, lambda rng: rng.normal(size=(3, 1, 28, 28))),
    "resnet": (ResNet, lambda rng: rng.normal(size=(4, 3, 8, 8))),
    "mixed": (Mixed, lambda rng: rng.normal(size=(3, 4, 8, 8))),
    "transformer": (Transformer, lambda rng: rng.integers(0, 20, (3, 6))),
    "lstm": (lambda: Recurrent(nn.LSTM), lambda rng: rng.integers(0, 20, (3, 6))),
    "gru": (lambda: Recurrent(nn.GRU, both_ways=True), lambda rng: rng.integers(0, 20, (3, 6))),
}


@pytest.fixture
def float64():
    torch.set_default_dtype(torch.float64)
    with jax.enable_x64(True):
        yield
    torch.set_default_dtype(torch.float32)


def still(module):
    """The module without dropout."""
    for layer in module.modules():
        if hasattr(layer, "p"):
            layer.p = 0.0
        if isinstance(getattr(layer, "dropout", None), float):
            layer.dropout = 0.0
    return module


@pytest.mark.parametrize("name", NETS)
def test_outputs_gradients_and_state_are_those_of_pytorch(name, float64):
    make, batch = NETS[name]
    given = batch(np.random.default_rng(0))
    converted = TorchModule(lambda: still(make()), given, name)
    key = jax.random.key(3)
    weights, state = converted.init(key), converted.state(key)
    theirs = still(make())
    theirs.load_state_dict({k: torch.tensor(np.asarray(v)) for k, v in (weights | state).items()}, strict=False)
    tensor = torch.tensor(given)
    theirs.eval()
    outputs, after = converted.forward(weights, state, jnp.asarray(given), None, {})
    np.testing.assert_allclose(outputs, theirs(tensor).detach(), rtol=1e-6, atol=1e-7)
    assert after is state

    def objective(weights, state):
        outputs, state = converted.forward(weights, state, jnp.asarray(given), jax.random.key(0), {})
        return jnp.sin(outputs).sum(), state

    theirs.train()
    for _ in range(3):  # the running statistics follow from step to step
        (value, state), gradient = jax.value_and_grad(objective, has_aux=True)(weights, state)
        theirs.zero_grad()
        expected = torch.sin(theirs(tensor)).sum()
    expected.backward()
    assert float(value) == pytest.approx(expected.item(), rel=1e-6)
    grads = dict(theirs.named_parameters())
    assert set(gradient) == set(grads)
    for place, mine in gradient.items():
        np.testing.assert_allclose(mine, grads[place].grad, rtol=1e-5, atol=1e-6)
    for place, buffer in theirs.named_buffers():
        if place in state:
            np.testing.assert_allclose(state[place], buffer, rtol=1e-6, atol=1e-7)


def test_one_export_serves_batches_of_any_size():
    converted = TorchModule(LeNet, None, "lenet")
    weights = converted.init(jax.random.key(0))
    for size in (5, 1, 3):
        outputs, _ = converted.forward(weights, {}, jnp.ones((size, 1, 28, 28)), None, {})
        assert outputs.shape == (size, 10)
    assert [len(graphs) for graphs in converted._graphs.values()] == [1]


def test_a_graph_of_one_size_is_exported_again_for_another():
    class Fixed(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(3, 2)

        def forward(self, x):
            return -self.layer(x) if x.shape[0] == 4 else self.layer(x)

    converted = TorchModule(Fixed, None, "fixed")
    weights = converted.init(jax.random.key(0)) | {"layer.weight": jnp.ones((2, 3)), "layer.bias": jnp.zeros(2)}
    for size in (6, 4, 5, 4):
        outputs, _ = converted.forward(weights, {}, jnp.ones((size, 3)), None, {})
        assert outputs.shape == (size, 2) and outputs[0, 0] == (-3 if size == 4 else 3)
    assert [len(graphs) for graphs in converted._graphs.values()] == [2]


def test_each_seed_begins_as_pytorch_begins_it_and_its_generator_is_put_back():
    converted = TorchModule(LeNet, None, "lenet")
    torch.manual_seed(7)
    before = torch.random.get_rng_state()
    weights, key = converted.init(jax.random.key(1)), jax.random.key(1)
    assert torch.equal(before, torch.random.get_rng_state())
    torch.manual_seed(int(jax.random.bits(key)))
    for name, value in LeNet().named_parameters():
        np.testing.assert_array_equal(weights[name], value.detach())
    other = converted.init(jax.random.key(2))
    assert not np.array_equal(weights["hidden.weight"], other["hidden.weight"])


def test_what_is_frozen_stays_and_what_is_tied_is_one():
    class Frozen(nn.Module):
        def __init__(self):
            super().__init__()
            self.drawn, self.same = nn.Linear(3, 3), nn.Linear(3, 3)
            nn.init.ones_(self.same.weight)
            nn.init.zeros_(self.same.bias)
            for value in (*self.drawn.parameters(), *self.same.parameters()):
                value.requires_grad = False
            self.output = nn.Linear(3, 3)
            self.again = self.output

        def forward(self, x):
            return self.again(torch.tanh(self.output(self.same(self.drawn(x)))))

    converted = TorchModule(Frozen, np.ones((2, 3), np.float32), "frozen")
    weights, state = converted.init(jax.random.key(0)), converted.state(jax.random.key(0))
    assert set(weights) == {"output.weight", "output.bias"}
    assert set(state) == {"frozen drawn.weight", "frozen drawn.bias"}
    _, after = converted.forward(weights, state, jnp.ones((2, 3)), jax.random.key(0), {})
    for name, value in state.items():
        np.testing.assert_array_equal(after[name], value)


def test_no_gradient_passes_where_pytorch_stops_it(float64):
    class Stopped(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(3, 3)

        def forward(self, x):
            y = self.layer(x)
            with torch.no_grad():
                scale = y.abs().sum(1, keepdim=True)
            return y / scale + y.detach() ** 2

    given = np.random.default_rng(0).normal(size=(4, 3))
    converted = TorchModule(Stopped, given, "stopped")
    weights = converted.init(jax.random.key(0))
    gradient = jax.grad(lambda w: jnp.sin(converted.forward(w, {}, jnp.asarray(given), jax.random.key(0), {})[0]).sum())
    theirs = Stopped()
    theirs.load_state_dict({k: torch.tensor(np.asarray(v)) for k, v in weights.items()})
    torch.sin(theirs(torch.tensor(given))).sum().backward()
    np.testing.assert_allclose(gradient(weights)["layer.weight"], theirs.layer.weight.grad, rtol=1e-7)


@pytest.mark.parametrize("layer", [nn.Dropout, nn.Dropout2d])
def test_the_rate_of_dropout_is_the_lanes_and_evaluation_drops_nothing(layer):
    def make():
        return nn.Sequential(nn.Conv2d(1, 50, 1), layer(0.4), nn.Flatten())

    model = fallline.from_torch(make, name="dropping")
    assert [number.name for number in model.hyperparameters] == ["dropout_rate"]
    assert model.hyperparameters[0].default == pytest.approx(0.4)
    weights = {"0.weight": jnp.ones((50, 1, 1, 1)), "0.bias": jnp.zeros(50)}
    inputs = jnp.ones((40, 1, 2, 2))
    for rate in (0.0, 0.25, 0.8):
        outputs, _ = model.run(weights, {}, inputs, jax.random.key(1), {"dropout_rate": jnp.float32(rate)})
        assert float((outputs == 0).mean()) == pytest.approx(rate, abs=0.04)
        assert float(outputs.mean()) == pytest.approx(1, abs=0.12)
        if layer is nn.Dropout2d:
            assert set(np.unique(np.asarray(outputs).reshape(40, 50, 4).std(2))) == {0.0}
    outputs, _ = model.run(weights, {}, inputs, None, {"dropout_rate": jnp.float32(0.8)})
    np.testing.assert_array_equal(outputs, 1)


class Branching(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 2)

    def forward(self, x):
        if x.sum() > 0:
            return self.layer(x)
        return -self.layer(x)


class Counting(Branching):
    calls = 0

    def forward(self, x):
        self.calls += 1
        return self.layer(x) * self.calls


class Leaving(Branching):
    def forward(self, x):
        return self.layer(x) * x.sum().item()


class Two(Branching):
    def forward(self, x):
        return self.layer(x), x


class Unknown(Branching):
    def forward(self, x):
        return self.layer(torch.linalg.svd(x)[0][:, :3] + torch.linalg.inv(x.T @ x)[:1])


class Complex(Branching):
    def forward(self, x):
        return self.layer(torch.fft.fft(x).abs())


def lazy():
    return nn.LazyLinear(3)


def frozen():
    module = nn.Linear(3, 2)
    for value in module.parameters():
        value.requires_grad = False
    return module


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (Branching, r"branches on the values .*torch.where.*test_from_torch.py, line \d+: if x.sum\(\) > 0"),
        (Counting, r"changes calls, .*register_buffer"),
        (Leaving, r"(?s)a number taken out of a tensor.*test_from_torch.py, line \d+"),
        (Two, "must return one tensor, it returns 2"),
        (Unknown, r"(?s)not known here.*linalg_svd.*test_from_torch.py, line.*linalg_inv"),
        (Complex, "complex"),
        (lazy, "has no shape yet"),
        (frozen, "nothing to train"),
        (lambda: 3, "must give a torch.nn.Module, got int"),
        (lambda: nn.Linear(4, 2), r"fails on a batch of shape \(4, 3\)"),
    ],
)
def test_what_cannot_be_trained_is_refused_with_its_line(make, said, capfd):
    with pytest.raises(ModelError, match=said) as refused:
        converted = TorchModule(make, None, "net")
        converted.forward(converted.init(jax.random.key(0)), {}, jnp.ones((4, 3)), jax.random.key(0), {})
    assert len(str(refused.value)) < 1500
    printed = capfd.readouterr()
    assert printed.out == "" and "graph(" not in printed.err


def test_a_module_in_place_of_its_maker_and_one_made_once_are_refused():
    with pytest.raises(ModelError, match="takes a function that makes a new module, got Linear"):
        fallline.from_torch(nn.Linear(3, 2))
    module = nn.Linear(3, 2)
    with pytest.raises(ModelError, match="gives the same module again"):
        TorchModule(lambda: module, None, "net").init(jax.random.key(0))
    with pytest.raises(ModelError, match="no dropout layer"):
        fallline.from_torch(lambda: nn.Linear(3, 2), dropout_rate=0.5)


def test_a_study_trains_a_module_and_its_seeds_differ(tmp_path):
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(300, 3, 4)).astype(np.float32)
    labels = (inputs.sum((1, 2)) > 0).astype(int) + (inputs[:, 0, 0] > 1)
    task = fallline.from_arrays(
        "torch-mlp",
        model=fallline.from_torch(mlp, name="mlp"),
        train=(inputs[:200], labels[:200]),
        validation=(inputs[200:], labels[200:]),
        loss="softmax_cross_entropy",
        metrics=["accuracy"],
    )
    study = fallline.Study(
        name="torch",
        task=task,
        seeds=2,
        base={"batch_size": 20, "steps": 60},
        axes={"optimizer": ["adam"], "learning_rate": [0.1, 0.01], "dropout_rate": [0.0, 0.3]},
    )
    result = fallline.run(study, tmp_path / "run")
    trials = result.trials
    assert len(trials) == 8 and set(trials["status"]) == {"done"}
    assert trials["validation_accuracy"].max() > 0.8 and trials["validation_loss"].n_unique() == 8
    weights = result.weights(trials["trial"][0])
    assert {name.strip("[']") for name in weights} >= {"1.weight", "5.bias"}


class Everything(nn.Module):
    """Batch normalisation, a tied and a frozen weight, a buffer that nothing changes, one that is not saved."""

    def __init__(self):
        super().__init__()
        self.first, self.norm = nn.Linear(4, 4, bias=False), nn.BatchNorm1d(4)
        self.again, self.last = nn.Linear(4, 4, bias=False), nn.Linear(4, 3)
        self.again.weight = self.first.weight
        self.frozen = nn.Parameter(torch.randn(4), requires_grad=False)
        self.register_buffer("scale", torch.full((4,), 0.5))
        self.register_buffer("shift", torch.full((4,), 0.1), persistent=False)

    def forward(self, x):
        x = F.relu(self.norm(self.first(x * self.scale + self.shift)))
        return self.last(self.again(x) + self.frozen)


def test_a_trained_module_goes_back_to_pytorch_with_the_same_accuracy(tmp_path):
    rng = np.random.default_rng(3)
    inputs = rng.normal(size=(300, 4)).astype(np.float32)
    labels = np.digitize(inputs.sum(1), [-1, 1])
    task = fallline.from_arrays(
        "back",
        model=fallline.from_torch(Everything),
        train=(inputs[:200], labels[:200]),
        test=(inputs[200:], labels[200:]),
        loss="softmax_cross_entropy",
        metrics=["accuracy"],
    )
    study = fallline.Study(
        name="back",
        task=task,
        metric="final_train_loss",
        seeds=2,
        base={"batch_size": 20, "steps": 30, "optimizer": "adam"},
        axes={"learning_rate": [0.1, 0.01]},
        keep_weights="all",
    )
    result = fallline.run(study, tmp_path / "run")
    for row in result.trials_with_test().to_dicts():
        path = result.save_torch(row["trial"], tmp_path / "net.pt")
        net = Everything().eval()
        state = torch.load(path, weights_only=True)
        assert state.keys() == net.state_dict().keys() and state["norm.num_batches_tracked"] == 30
        net.load_state_dict(state)
        with torch.no_grad():
            outputs = net(torch.from_numpy(inputs[200:]))
        right = (outputs.argmax(1).numpy() == labels[200:]).mean()
        assert right == pytest.approx(row["test_accuracy"], abs=1e-12)
        assert F.cross_entropy(outputs, torch.from_numpy(labels[200:])).item() == pytest.approx(
            row["test_loss"], rel=1e-5
        )
    first = result.state_dict(result.trials["trial"][0])
    net = Everything()
    assert result.load_into(net) is net and net.again.weight is net.first.weight
    assert first["again.weight"].equal(first["first.weight"]) and first["frozen"].abs().sum() > 0
    with pytest.raises(ModelError, match=r"do not fit Linear"):
        result.load_into(nn.Linear(4, 3))
