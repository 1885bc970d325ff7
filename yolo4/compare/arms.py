"""Arms of a comparison: a confidence loss by name, and the settings that go with it."""

import ast
import dataclasses
import itertools
import re
from collections.abc import Mapping, Sequence
from typing import Any

from utils.errors import UserError
from yolo4.config import Config
from yolo4.options import check_names, from_mapping

PROTOCOLS = ("as_is", "matched")
# What all runs have in common by the nature of a comparison.
_SHARED = {"data", "classes", "on_bad_data", "split_seed", "seed", "run_dir", "confidence_loss"}


@dataclasses.dataclass(frozen=True)
class Arm:
    """One of the trainings that are compared.

    Attributes:
        name: as a person writes it, such as `focal:focal_gamma=1`.
        overrides: fields of `Config` that are this arm's own, `confidence_loss` among them.
        protocol: "as_is", or "matched": the confidence gain is set so that the norm of the
            confidence loss's gradient at initialization equals BCE's.
    """

    name: str
    overrides: Mapping[str, Any]
    protocol: str

    @property
    def folder(self) -> str:
        """The name in letters that any file system takes."""
        return re.sub(r"[^\w.=-]+", "_", self.name)

    def config(self, shared: Config, seed: int) -> Config:
        """The settings of this arm's run with a seed; all else as in `shared`."""
        values = dataclasses.asdict(shared) | self.overrides | {"seed": seed}
        return from_mapping(Config, values, f"--arms {self.name}")


def parse_arms(texts: Sequence[str], protocol: str) -> tuple[Arm, ...]:
    """Read arms such as `bce`, `focal:focal_gamma=1` or the grid `focal:focal_alpha=0.25,0.5`.

    Args:
        texts: an arm each; one with several values for a setting makes an arm of each combination.
        protocol: of the arms that do not name their own, as `focal:protocol=matched` does.

    Raises:
        UserError: a setting that no arm can have, a setting without a value, or an arm twice.
    """
    arms = [arm for text in texts for arm in _expand(text, protocol)]
    if len(arms) < 2:
        raise UserError(f"--arms {' '.join(texts)}: a comparison needs two arms or more")
    for arm in arms:
        twins = [other.name for other in arms if _content(other) == _content(arm)]
        if len(twins) > 1:
            raise UserError(f"--arms: {' and '.join(twins)} are the same arm")
    return tuple(arms)


def _expand(text: str, protocol: str) -> list[Arm]:
    loss, *parts = text.split(":")
    choices = [_choices(text, part) for part in parts]
    names = [name for name, _ in choices]
    known = [f.name for f in dataclasses.fields(Config) if f.name not in _SHARED]
    check_names(names, [*known, "protocol"], f"--arms {text}")
    if len(set(names)) < len(names):
        raise UserError(f"--arms {text}: a setting is named twice")
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
        raise UserError(f"--arms {text}: found {part!r}; a setting is written name=value")
    return name.replace("-", "_"), values.split(",")


def _arm(name: str, overrides: dict[str, Any], chosen: dict[str, str], protocol: str) -> Arm:
    protocol = chosen.get("protocol", protocol)
    if protocol not in PROTOCOLS:
        raise UserError(f"--arms {name}: the protocol is one of {', '.join(PROTOCOLS)}")
    if overrides["confidence_loss"] == "bce":
        protocol = "as_is"  # matched to itself
    if protocol == "matched":
        if "confidence_gain" in overrides:
            raise UserError(f"--arms {name}: a matched arm's confidence_gain is measured")
        # The name says all, so that a run found under it is this arm's.
        name += "" if "protocol" in chosen else ":protocol=matched"
    arm = Arm(name, overrides, protocol)
    arm.config(Config(), seed=0)  # refuses values that are not allowed
    return arm


def _content(arm: Arm) -> tuple[Config, str]:
    return arm.config(Config(), seed=0), arm.protocol


def _value(text: str) -> Any:
    """A number, None, True or False as Python writes them; anything else is a text."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
