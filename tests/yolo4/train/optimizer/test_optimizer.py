"""The optimizers give what Keras's own give, in fewer operations."""

import keras
import numpy as np
import pytest

from nets.yolov4 import YOLOv4
from yolo4.config import Config
from yolo4.train.optimizer.compile import build_optimizer, compile_for_phase, compiled_by_xla

RATE, DECAY, AVERAGE = 0.05, 0.3, 0.8


def network():
    """A convolution, batch norm and a bias: every kind of variable that YOLOv4 has."""
    keras.utils.set_random_seed(3)
    inputs = keras.Input((6, 6, 2))
    x = keras.layers.Conv2D(4, 3, use_bias=False)(inputs)
    x = keras.layers.BatchNormalization(epsilon=1e-5)(x)
    return keras.Model(inputs, keras.layers.Conv2D(1, 1)(x))


def keras_own(name, accumulate, rate=RATE, clip=0.5):
    shared = {
        "learning_rate": rate,
        "global_clipnorm": clip,
        "use_ema": True,
        "ema_momentum": AVERAGE ** (1 / accumulate),
        "gradient_accumulation_steps": accumulate if accumulate > 1 else None,
    }
    if name == "adam":
        return keras.optimizers.Adam(beta_1=0.9, **shared)
    shared["weight_decay"] = DECAY
    if name == "sgd":
        made = keras.optimizers.SGD(momentum=0.9, nesterov=True, **shared)
    else:
        made = keras.optimizers.AdamW(beta_1=0.9, **shared)
    made.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return made


def ours(name, accumulate, backbone=(), **settings):
    config = Config(
        optimizer=name,
        weight_decay=DECAY,
        ema=AVERAGE,
        accumulate=accumulate,
        **{"momentum": 0.9, "gradient_clip": 0.5, **settings},
    )
    return build_optimizer(config, RATE, backbone)


def trained(optimizer, model=None, traced=False):
    """Weights after seven steps, which are traced or run one operation at a time; their average."""
    model = model or network()
    model.compile(optimizer, "mse", jit_compile=False, run_eagerly=not traced)
    rng = np.random.default_rng(0)
    for _ in range(7):
        model.train_on_batch(rng.normal(size=(4, 6, 6, 2)), rng.normal(size=(4, 4, 4, 1)))
    weights = model.get_weights()
    optimizer.finalize_variable_values(model.trainable_variables)
    return weights, model.get_weights()


@pytest.mark.parametrize(
    ("name", "accumulate", "traced"),
    [
        *((name, steps, False) for name in ("adamw", "adam", "sgd") for steps in (1, 3)),
        ("adamw", 3, True),
    ],
)
def test_weights_and_their_average_are_those_of_keras(name, accumulate, traced):
    found = trained(ours(name, accumulate), traced=traced)
    expected = trained(keras_own(name, accumulate))
    for ours_, theirs in zip(found, expected, strict=True):
        for a, b in zip(ours_, theirs, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5 * np.abs(b).max())
    assert any(not np.allclose(a, b, atol=1e-3) for a, b in zip(*found, strict=True))


def parts(model):
    """The trainable variables up to the batch norm, which stand for a backbone, and the others."""
    return model.trainable_variables[:3], model.trainable_variables[3:]


@pytest.mark.quick
@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_a_step_of_gradient_descent_moves_the_backbone_by_the_fraction(precision_policy, policy):
    """`w - f rate (g + decay w)`, where f is 1 for the others; vectors do not decay."""
    precision_policy(policy)
    model = network()
    rate_of = [0.25] * 3 + [1.0] * 2
    settings = {"momentum": 0.0, "gradient_clip": None, "backbone_lr_fraction": 0.25}
    model.compile(ours("sgd", 1, parts(model)[0], **settings), "mse")
    optimizer = model.optimizer
    optimizer.build(model.trainable_variables)
    scale = float(getattr(optimizer, "dynamic_scale", 1.0))  # of the loss, in float16
    assert (scale > 1) == (policy == "mixed_float16")
    before = [np.array(variable) for variable in model.trainable_variables]
    rng = np.random.default_rng(0)
    gradients = [rng.normal(size=array.shape).astype(np.float32) for array in before]
    optimizer.apply([scale * g for g in gradients], model.trainable_variables)
    for found, w, g, fraction in zip(
        model.trainable_variables, before, gradients, rate_of, strict=True
    ):
        decay = DECAY if w.ndim > 1 else 0
        expected = w - fraction * RATE * (g + decay * w)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.quick
@pytest.mark.parametrize("accumulate", [1, 3])
@pytest.mark.parametrize("name", ["adamw", "adam", "sgd"])
def test_the_backbone_is_trained_as_by_an_optimizer_of_its_own(name, accumulate):
    """Weights and averages are those of two of Keras's optimizers with the two learning rates."""
    found, expected = network(), network()
    settings = {"gradient_clip": None, "backbone_lr_fraction": 0.1}
    optimizer = ours(name, accumulate, parts(found)[0], **settings)
    optimizer.build(found.trainable_variables)
    own = [keras_own(name, accumulate, RATE * f, clip=None) for f in (0.1, 1)]
    for each, variables in zip(own, parts(expected), strict=True):
        each.build(variables)
    rng = np.random.default_rng(0)
    for _ in range(6):
        gradients = [rng.normal(size=v.shape).astype("float32") for v in found.trainable_variables]
        optimizer.apply(gradients, found.trainable_variables)
        for each, variables, part in zip(
            own, parts(expected), (gradients[:3], gradients[3:]), strict=True
        ):
            each.apply(part, variables)
    assert_alike(found, expected)
    optimizer.finalize_variable_values(found.trainable_variables)
    for each, variables in zip(own, parts(expected), strict=True):
        each.finalize_variable_values(variables)
    assert_alike(found, expected)


def assert_alike(found, expected):
    for a, b in zip(found.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_a_fraction_of_one_changes_no_bit(name):
    model = network()
    found, expected = trained(ours(name, 1, parts(model)[0]), model), trained(ours(name, 1))
    for ours_, theirs in zip(found, expected, strict=True):
        for a, b in zip(ours_, theirs, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("frozen", [False, True])
def test_a_fraction_of_zero_holds_the_backbone_of_the_network_in_every_phase(frozen):
    model = YOLOv4(2, width=0.05, depth=0.1)
    model.freeze_backbone(frozen)
    config = Config(backbone_lr_fraction=0.0, warmup_epochs=0.0)
    compile_for_phase(model, config, 0, 10, 16)
    before = [np.array(variable) for variable in model.trainable_variables]
    gradients = [np.ones_like(array) for array in before]
    model.optimizer.apply(gradients, model.trainable_variables)
    moved = {
        variable.path.split("/")[0]
        for variable, array in zip(model.trainable_variables, before, strict=True)
        if not np.array_equal(variable, array)
    }
    convolutions = [layer.name for layer in model.convolutions()]
    assert moved & set(convolutions) == set(convolutions[model.backbone_convolutions :])
    norms = {name for name in moved if name.endswith("_norm")}
    assert {name.removesuffix("_norm") for name in norms} <= moved


@pytest.mark.quick
def test_without_an_average_the_weights_stay():
    optimizer = build_optimizer(Config(ema=None), RATE)
    model = network()
    optimizer.build(model.trainable_variables)
    before = model.get_weights()
    optimizer.finalize_variable_values(model.trainable_variables)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.quick
@pytest.mark.parametrize(
    ("backend", "gpus", "compiled"),
    [
        ("tensorflow", [], "the loss and the gradient of Mish"),
        ("tensorflow", ["gpu:0"], "the whole step"),
        ("jax", [], "the whole step"),
        ("torch", ["gpu:0"], "nothing"),
    ],
)
def test_what_is_compiled_depends_on_backend_and_device(monkeypatch, backend, gpus, compiled):
    monkeypatch.setattr(keras.backend, "backend", lambda: backend)
    monkeypatch.setattr(keras.distribution, "list_devices", lambda kind: gpus)
    assert compiled_by_xla() == compiled


def test_no_weight_of_the_network_is_a_variable_of_the_optimizer():
    """JAX donates the buffers of both to the step, and refuses one that it is given twice."""
    model, optimizer = network(), ours("adam", 1)
    optimizer.build(model.trainable_variables)
    own = {id(variable) for variable in optimizer.variables}
    assert len(own) == 2 + 3 * len(model.trainable_variables)  # counter and rate; three averages
    assert not own & {id(variable) for variable in model.variables}
