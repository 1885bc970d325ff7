"""Simulated studies, as the rules see them: by detections, or by a score of each image.

Detections take AP and the bootstrap of compare.py. A score of each image, drawn from a normal
distribution, has the mean over the images as its outcome, so that the bootstrap's variances have
closed forms: it takes less time, with the same parts of the noise.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.verdicts.simulation import Scenario, lessons_of, simulate
from utils.metrics.statistics.significance import VarianceComponents
from utils.metrics.voc_map import pooled
from yolo4.compare.design import Design
from yolo4.compare.verdict.estimate import Estimate, Maps, estimate, resampled_maps

_RESAMPLES = 200
# Standard deviations of an image's score, and of a run's mean: those of mAP in `simulation`.
_ARM_BY_IMAGE, _RUN_BY_IMAGE, _RUN = 0.083, 0.084, 0.010
# Points of mAP for a unit of skill.
_PER_SKILL = 0.32


@dataclass(frozen=True)
class DetectionStudy:
    """A study of simulated detections.

    Attributes:
        maps: of all its runs.
        design: what it declared.
        images: number of test images.
        co_maps: AP of all objects as one class of all runs, if the design has a co-outcome.
    """

    maps: Maps
    design: Design
    images: int
    co_maps: Maps | None = None

    @classmethod
    def draw(
        cls, scenario: Scenario, skills: Sequence[float], design: Design, number: int
    ) -> "DetectionStudy":
        """Simulate study number `number`, whose arms have these skills."""
        rng = np.random.default_rng([number, scenario.images, scenario.folds])
        matches = simulate(scenario, skills, design.looks[-1], rng)
        maps = resampled_maps(matches, design.folds, _RESAMPLES, number)
        co_maps = None
        if design.co_outcome:
            one = {
                arm: {s: pooled(run) for s, run in runs.items()} for arm, runs in matches.items()
            }
            co_maps = resampled_maps(one, design.folds, _RESAMPLES, number)
        return cls(maps, design, scenario.images, co_maps)

    @property
    def beside(self) -> "DetectionStudy":
        """The study as its co-outcome sees it."""
        assert self.co_maps is not None, "the design has no co-outcome"
        return replace(self, maps=self.co_maps)

    @property
    def arms(self) -> Sequence[str]:
        """Names, the reference first."""
        return list(self.maps)

    def estimate(self, seeds: int, arm: str = "1") -> Estimate:
        """The difference of an arm after so many seeds."""
        rows, used = (self.maps[arm], self.maps["0"]), range(seeds)
        return estimate(*rows, used, self.images, self.design.folds)

    def variance_over_images(self, seeds: int) -> float:
        """The bootstrap variance of the mean over so many seeds."""
        rows = [self.maps["1"][seed][1:] - self.maps["0"][seed][1:] for seed in range(seeds)]
        return float(np.mean(rows, axis=0).var(ddof=1))


@dataclass(frozen=True)
class ScoreStudy:
    """A study whose outcome is the mean of a score of each image.

    Attributes:
        scores: `[arms, seeds, images of a fold]`.
        design: what it declared.
    """

    scores: np.ndarray
    design: Design

    @classmethod
    def draw(
        cls, scenario: Scenario, differences: Sequence[float], design: Design, number: int
    ) -> "ScoreStudy":
        """Simulate study number `number`, whose arms differ so from the reference."""
        rng = np.random.default_rng([number, scenario.images, scenario.folds])
        folds, arms, seeds = max(1, scenario.folds), len(differences), design.looks[-1]
        shape = (arms, seeds, scenario.images // folds)
        noise = np.reshape(scenario.noise, (arms, 1, 1))
        fold = np.arange(seeds) % folds
        of_arms = rng.normal(0, _ARM_BY_IMAGE, (arms, folds, shape[2]))[:, fold]
        lessons = _PER_SKILL * lessons_of(scenario, arms, rng)[:, fold, None]
        of_runs = rng.normal(0, _RUN, (arms, seeds, 1)) + rng.normal(0, _RUN_BY_IMAGE, shape)
        scores = np.reshape(differences, (arms, 1, 1)) + of_arms + lessons + noise * of_runs
        return cls(scores, design)

    @property
    def arms(self) -> Sequence[str]:
        """Names, the reference first."""
        return [str(arm) for arm in range(len(self.scores))]

    def estimate(self, seeds: int, arm: str = "1") -> Estimate:
        """The difference of an arm after so many seeds."""
        of_images = self._differences(seeds, arm)
        each = of_images.mean(axis=1)
        of_one = float(of_images.var(axis=1, ddof=1).mean() / of_images.shape[1])
        of_mean = self._of_mean(of_images)
        folds = self.design.folds
        images = of_images.shape[1] * max(1, folds)
        fold_of_seed = np.arange(seeds) % max(1, folds)
        variances = VarianceComponents.from_bootstrap(
            each, of_mean, of_one, images, fold_of_seed, folds
        )
        mean, half = float(each.mean()), 1.96 * of_mean**0.5
        limits = (mean - half, mean + half)
        used = tuple(range(seeds))
        return Estimate(used, tuple(each.tolist()), mean, limits, variances, None, None)

    @property
    def beside(self) -> "ScoreStudy":
        """A mean of scores has no classes, so no co-outcome differs from it."""
        return self

    def variance_over_images(self, seeds: int) -> float:
        """The bootstrap variance of the mean over so many seeds."""
        return self._of_mean(self._differences(seeds, "1"))

    def _differences(self, seeds: int, arm: str) -> np.ndarray:
        return self.scores[int(arm), :seeds] - self.scores[0, :seeds]

    def _of_mean(self, of_images: np.ndarray) -> float:
        """Seeds of one fold share its images; the others have their own."""
        seeds, folds = len(of_images), max(1, self.design.folds)
        sums = [of_images[fold::folds].sum(axis=0) for fold in range(min(folds, seeds))]
        return float(sum(part.var(ddof=1) for part in sums) / seeds**2 / of_images.shape[1])
