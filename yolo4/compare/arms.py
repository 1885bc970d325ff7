"""Arms of a comparison: a confidence loss and the settings that only this arm has."""

import ast
import dataclasses
import itertools
import re
from collections.abc import Mapping, Sequence
from typing import Any

from utils.errors import UserError
from yolo4.config import WITHOUT_INFLUENCE, Config
from yolo4.options import check_names, from_mapping

PROTOCOLS = ("as_is", "matched", "tuned")
# An arm cannot have these as its own: all runs share them, the arm's name or the study sets them,
# or they change nothing.
_NOT_OF_AN_ARM = WITHOUT_INFLUENCE | {
    *("data", "classes", "on_bad_data", "split_seed", "seed", "confidence_loss", "fresh_heads"),
}


@dataclasses.dataclass(frozen=True)
class Arm:
    """A confidence loss with its settings, to be compared with others.

    Attributes:
        name: as in `--arms`, such as `focal:focal_gamma=1`.
        overrides: values of `Config` fields that only this arm has, including `confidence_loss`.
        protocol: "as_is", or "matched": the confidence gain is set so that the norm of the
            confidence loss's gradient at initialization equals BCE's; or "tuned": trials on
            validation images choose learning rate, confidence gain and the loss's own settings.
        is_control: whether it is the reference once more, with initial weights that differ by a
            millionth: what is found between the two is noise.
    """

    name: str
    overrides: Mapping[str, Any]
    protocol: str
    is_control: bool = False

    @property
    def folder(self) -> str:
        """The name in characters that any file system accepts."""
        return re.sub(r"[^\w.=-]+", "_", self.name)

    def config(self, shared: Config, seed: int) -> Config:
        """The settings of this arm's run with a seed; all others are those of `shared`."""
        values = {**dataclasses.asdict(shared), **self.overrides, "seed": seed}
        return from_mapping(Config, values, f"--arms {self.name}")


def parse_arms(texts: Sequence[str], protocol: str) -> tuple[Arm, ...]:
    """Read arms such as `bce`, `focal:focal_gamma=1` or the grid `focal:focal_alpha=0.25,0.5`.

    Args:
        texts: one arm each; several values for a setting make one arm per combination.
        protocol: of the arms that do not name one, as `focal:protocol=matched` does.

    Returns:
        The arms. If the reference is given twice, the second one is the control.

    Raises:
        UserError: a setting that an arm cannot have or that has no value, or two equal arms of
            which none is the reference.
    """
    arms = [arm for text in texts for arm in _expand(text, protocol)]
    if len(arms) < 2:
        raise UserError(f"--arms {' '.join(texts)}: a comparison needs at least two arms")
    if arms[0] in arms[1:]:
        place = arms.index(arms[0], 1)
        arms[place] = dataclasses.replace(arms[0], name=f"{arms[0].name} control", is_control=True)
    for arm in arms:
        same = [other.name for other in arms if _content(other) == _content(arm)]
        if len(same) > 1:
            raise UserError(
                f"--arms: {' and '.join(same)} are the same arm; only the reference can be given "
                "twice, as its control"
            )
    return tuple(arms)


def _expand(text: str, protocol: str) -> list[Arm]:
    loss, *parts = text.split(":")
    choices = [_choices(text, part) for part in parts]
    names = [name for name, _ in choices]
    allowed = [f.name for f in dataclasses.fields(Config) if f.name not in _NOT_OF_AN_ARM]
    check_names(names, [*allowed, "protocol"], f"--arms {text}")
    if len(set(names)) < len(names):
        raise UserError(f"--arms {text}: a setting is given twice")
    arms = []
    for values in itertools.product(*(values for _, values in choices)):
        chosen = dict(zip(names, values, strict=True))
        name = ":".join([loss, *(f"{key}={value}" for key, value in chosen.items())])
        overrides = {key: _value(value) for key, value in chosen.items() if key != "protocol"}
        arms.append(_arm(name, {"confidence_loss": loss, **overrides}, chosen, protocol))
    return arms


def _choices(text: str, part: str) -> tuple[str, list[str]]:
    name, equals, values = part.partition("=")
    if not equals or not all(values.split(",")):
        raise UserError(f"--arms {text}: found {part!r}, expected name=value")
    return name.replace("-", "_"), values.split(",")


def _arm(name: str, overrides: dict[str, Any], chosen: dict[str, str], protocol: str) -> Arm:
    protocol = chosen.get("protocol", protocol)
    if protocol not in PROTOCOLS:
        raise UserError(
            f"--arms {name}: found protocol {protocol!r}, expected as_is, matched or tuned"
        )
    if overrides["confidence_loss"] == "bce" and protocol == "matched":
        protocol = "as_is"  # BCE is the loss that others are matched to
    if protocol == "matched" and "confidence_gain" in overrides:
        raise UserError(f"--arms {name}: a matched arm measures its confidence_gain; do not set it")
    if protocol != "as_is" and "protocol" not in chosen:
        # The name is complete, so that a run in the folder of this name belongs to this arm.
        name += f":protocol={protocol}"
    arm = Arm(name, overrides, protocol)
    arm.config(Config(), seed=0)  # raises UserError for a value that is not allowed
    return arm


def _content(arm: Arm) -> tuple[Config, str, bool]:
    return arm.config(Config(), seed=0), arm.protocol, arm.is_control


def _value(text: str) -> Any:
    """A number, None, True or False in Python's notation; anything else is text."""
    try:
        return ast.literal_eval(text)
    except Exception:  # Python's parser raises several types for what is not a value
        return text
