"""Pairs the layers of a network with those of a Keras file by the order that a graph gives them.

A file lists its layers as Keras sorts those of any network, which follows from the graph: by their
distance from the outputs, then in the order in which a walk up from the outputs reaches them. The
same order of the network to fill pairs the layers, whatever their names.
"""

import itertools
from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Any

import keras

from nets import Tensor
from nets.yolov4 import YOLOv4
from utils.errors import UserError
from yolo4.weights import loading_report, require_finite
from yolo4.weights.keras_file import Shape, StoredLayer, StoredNetwork, describe

Pair = tuple[keras.layers.Layer, StoredLayer]


def fill_by_graph(model: YOLOv4, stored: StoredNetwork, whole: bool = False) -> str:
    """Fill a network from the file of another program, with its outputs in any order.

    Args:
        model: the network; its heads keep their values if the file's are for another class count.
        stored: the layers of the file.
        whole: refuse a file that does not fill the whole network.

    Returns:
        One or more lines for the log.

    Raises:
        UserError: the file is for another network, or it does not show the order of its layers;
            nothing was loaded.
    """
    # In most programs the coarsest grid's head comes first.
    pairs = _matched(model, stored, itertools.permutations(model.outputs[::-1]))
    _check_norms(pairs, stored, model.network.title)
    return _fill(model, stored, pairs, whole) + _remark_on_creation_order(pairs)


def fill_own(model: YOLOv4, stored: StoredNetwork, whole: bool = False) -> str:
    """Fill a network from a file that `yolo4.build.save_weights` wrote; as `fill_by_graph`."""
    pairs = _matched(model, stored, [model.outputs])
    for layer, found in pairs:
        if found.given_name not in (layer.name, None):
            raise UserError(
                f"{stored.path}: its {found.name} is {found.given_name}, but this network has "
                f"{layer.name} in this place"
            )
    return _fill(model, stored, pairs, whole)


def _fill(model: YOLOv4, stored: StoredNetwork, pairs: list[Pair], whole: bool) -> str:
    skipped = [layer.name for layer, found in pairs if found.shapes != _shapes(layer)]
    if skipped and whole:
        raise UserError(
            f"{stored.path}: does not fill the whole network: the shapes of {', '.join(skipped)} "
            "differ"
        )
    loaded = [(layer, found) for layer, found in pairs if layer.name not in skipped]
    for layer, found in loaded:
        for name, array in found.arrays.items():
            place = f"the {name} of its {found.name}, {layer.name} of this network,"
            require_finite(array, stored.path, place)
    for layer, found in loaded:
        for variable in layer.variables:
            variable.assign(found.arrays[variable.name])
    report = loading_report(stored.path, model, [layer for layer, _ in loaded])
    if skipped:
        report += f"\nnot loaded, as their shapes differ: {', '.join(skipped)}"
    return report


def _matched(
    model: YOLOv4, stored: StoredNetwork, orders: Iterable[Sequence[Tensor]]
) -> list[Pair]:
    """Each layer of the network with its layer of the file, convolutions first.

    Args:
        model: the network.
        stored: the layers of the file.
        orders: orders of the outputs that the file's network may have.
    """
    fitting: dict[tuple[str, ...], list[Pair]] = {}
    misfits: list[tuple[int, Pair]] = []
    _require_counts(model, stored)
    for outputs in orders:
        layers = itertools.chain(*_layers(model, outputs))
        pairs = list(zip(layers, stored.convolutions + stored.norms, strict=True))
        misfit = next((n for n, pair in enumerate(pairs) if not _fits(*pair)), None)
        if misfit is None:
            fitting[tuple(layer.name for layer, _ in pairs)] = pairs
        else:
            misfits.append((misfit, pairs[misfit]))
    if not fitting:
        _, last = max(misfits, key=itemgetter(0))  # of the likeliest order
        _refuse(model, stored, last)
    if len(fitting) > 1:
        raise UserError(
            f"{stored.path}: cannot know the order of its outputs: more than one fits the shapes "
            "of its arrays"
        )
    return next(iter(fitting.values()))


def _layers(
    model: YOLOv4, outputs: Sequence[Tensor]
) -> tuple[list[keras.layers.Layer], list[keras.layers.Layer]]:
    """The convolutions and the batch norms as Keras sorts those of a network with these outputs."""
    layers = keras.Model(model.inputs, list(outputs)).layers
    kinds: Any = keras.layers.Conv2D, keras.layers.BatchNormalization
    convolutions, norms = ([n for n in layers if isinstance(n, kind)] for kind in kinds)
    return convolutions, norms


def _require_counts(model: YOLOv4, stored: StoredNetwork) -> None:
    class_count = stored.class_count(model.network)
    convolutions, norms = map(len, _layers(model, model.outputs))
    if stored.counts != (convolutions, norms):
        raise UserError(
            f"{stored.path}: weights of {stored.program} for {class_count} classes with "
            f"{stored.contents}, but this network has {convolutions} and {norms}; is it for "
            "another network or depth?"
        )


def _refuse(model: YOLOv4, stored: StoredNetwork, misfit: Pair) -> None:
    """Refuse a file by its first layer that fits no order of the outputs."""
    layer, found = misfit
    difference = (
        f"its {found.name} has {describe(found.shapes)}, but {layer.name} of this network has "
        f"{describe(_shapes(layer))}"
    )
    convolutions, norms = _layers(model, model.outputs)
    wanted = sorted(_shapes_for_any_class_count(_shapes(n)) for n in convolutions + norms)
    there = stored.convolutions + stored.norms
    if sorted(_shapes_for_any_class_count(n.shapes) for n in there) == wanted:
        raise UserError(
            f"{stored.path}: its layers are those of {model.network.title}, but in an order that "
            f"its graph does not give them, whatever the order of the outputs: {difference}"
        )
    raise UserError(f"{stored.path}: {difference}; is it for another width?")


def _fits(layer: keras.layers.Layer, found: StoredLayer) -> bool:
    """Whether the shapes are equal, except for the class count of a head."""
    return _shapes_for_any_class_count(_shapes(layer)) == _shapes_for_any_class_count(found.shapes)


def _shapes_for_any_class_count(shapes: dict[str, Shape]) -> list[tuple[str, Shape]]:
    """The shapes; in a head, which alone has a bias, without the number of filters."""
    return sorted(
        (name, shape[:-1] if "bias" in shapes else shape) for name, shape in shapes.items()
    )


def _check_norms(pairs: list[Pair], stored: StoredNetwork, title: str) -> None:
    """Check that the creation order, too, puts each batch norm behind its convolution."""
    by_name = {layer.name: found for layer, found in pairs}
    norms = [name for name in by_name if name.endswith("_norm")]
    numbered = []
    for convolution, norm in ((by_name[n.removesuffix("_norm")], by_name[n]) for n in norms):
        if convolution.creation_index is None or norm.creation_index is None:
            return
        numbered.append((convolution.creation_index, norm.creation_index, convolution, norm))
    created = [norm for *_, norm in sorted(numbered, key=itemgetter(1))]
    numbered.sort(key=itemgetter(0))
    for (*_, convolution, norm), expected in zip(numbered, created, strict=True):
        if norm is not expected:
            raise UserError(
                f"{stored.path}: not the graph of {title}: {convolution.name} was created with "
                f"{expected.name}, but is listed where {title} has the convolution before "
                f"{norm.name}"
            )


def _remark_on_creation_order(pairs: list[Pair]) -> str:
    """A line for the log if the layers were not created in the usual order, the `.cfg`'s."""
    indices = {
        int(layer.name.split("_")[1]): found.creation_index
        for layer, found in pairs
        if isinstance(layer, keras.layers.Conv2D)
    }
    created = [indices[place] for place in sorted(indices)]
    known = [index for index in created if index is not None]
    if len(known) < len(created) or known == sorted(known):
        return ""
    return "\nits layers were not created in the usual order; matched by the order of the graph"


def _shapes(layer: keras.layers.Layer) -> dict[str, Shape]:
    return {variable.name: tuple(variable.shape) for variable in layer.variables}
