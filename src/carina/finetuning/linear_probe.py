"""Linear probe: logistic regression on the features of a frozen encoder.

The features are computed once, and the regression is solved to its end instead of being
trained for so many epochs: nothing depends on a learning rate, so every start is treated alike.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from carina.errors import ConfigError, TrainingError
from carina.metrics.classification import auc


@dataclass(frozen=True, kw_only=True)
class ProbeSettings:
    """How a probe is fitted. `penalties` are tried; the validation part chooses one a finding."""

    penalties: tuple[float, ...] = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)
    iterations: int = 300

    def __post_init__(self) -> None:
        """Checks that the values can be used."""
        if not self.penalties or min(self.penalties) <= 0:
            raise ConfigError(f"penalties must be > 0 and at least one, got {self.penalties}.")
        if self.iterations < 1:
            raise ConfigError(f"iterations must be at least 1, got {self.iterations}.")


@dataclass(frozen=True, kw_only=True)
class Probe:
    """A fitted head, the penalty chosen for each finding, and the AUC that chose it."""

    weight: Float[Tensor, "findings dim"]
    bias: Float[Tensor, "findings"]
    penalties: tuple[float, ...]
    validation_auc: tuple[float, ...]


def fit_probe(
    train: tuple[Float[Tensor, "images dim"], Float[Tensor, "images findings"]],
    validate: tuple[Float[Tensor, "others dim"], Float[Tensor, "others findings"]],
    settings: ProbeSettings | None = None,
) -> Probe:
    """Fits every finding with every penalty and keeps what ranks validation images best.

    Args:
        train: standardised features, and labels 1, 0 or nan (unknown: not in the loss).
        validate: the same of images that no weight is fitted on. A finding whose validation
            part has no present or no absent example takes the strongest penalty that is best for
            the others on average.
        settings: by default `ProbeSettings()`.

    Raises:
        TrainingError: the regression does not end in finite weights.
    """
    settings = settings or ProbeSettings()
    ordered = sorted(settings.penalties, reverse=True)  # of equal ones the stronger is taken
    fits = [logistic(*train, penalty, settings.iterations) for penalty in ordered]
    tried = np.stack([validation_aucs(fit, *validate) for fit in fits])
    defined = np.isfinite(tried).all(axis=0)
    overall = int(tried[:, defined].mean(axis=1).argmax()) if defined.any() else 0
    chosen = np.where(defined, np.nan_to_num(tried, nan=-1.0).argmax(axis=0), overall)
    rows = range(len(chosen))
    return Probe(
        weight=torch.stack([fits[chosen[row]][0][row] for row in rows]).float(),
        bias=torch.stack([fits[chosen[row]][1][row] for row in rows]).float(),
        penalties=tuple(ordered[place] for place in chosen),
        validation_auc=tuple(float(tried[chosen[row], row]) for row in rows),
    )


def fit_own_probes(
    train: tuple[Float[Tensor, "images findings dim"], Float[Tensor, "images findings"]],
    validate: tuple[Float[Tensor, "others findings dim"], Float[Tensor, "others findings"]],
    settings: ProbeSettings | None = None,
) -> Probe:
    """Fits every finding on features of its own, as a query network gives them.

    Features are standardised over the known training images; the weights returned are for
    features as they come.

    Args:
        train: features of each finding, and labels 1, 0 or nan (unknown).
        validate: the same of images that no weight is fitted on.
        settings: by default `ProbeSettings()`.

    Raises:
        TrainingError: a regression does not end in finite weights.
    """
    probes = [
        fit_standardised(
            (train[0][:, place].double(), train[1][:, place : place + 1]),
            (validate[0][:, place].double(), validate[1][:, place : place + 1]),
            settings,
        )
        for place in range(train[1].shape[1])
    ]
    return Probe(
        weight=torch.cat([probe.weight for probe in probes]),
        bias=torch.cat([probe.bias for probe in probes]),
        penalties=tuple(value for probe in probes for value in probe.penalties),
        validation_auc=tuple(value for probe in probes for value in probe.validation_auc),
    )


def fit_standardised(
    train: tuple[Float[Tensor, "images dim"], Float[Tensor, "images findings"]],
    validate: tuple[Float[Tensor, "others dim"], Float[Tensor, "others findings"]],
    settings: ProbeSettings | None,
) -> Probe:
    """A probe on features of mean 0 and deviation 1 in training, told for features as they come."""
    mean, deviation = train[0].mean(0), train[0].std(0, unbiased=False)
    deviation = torch.where(deviation > 1e-6 * train[0].abs().amax(0), deviation, 1.0)
    probe = fit_probe(
        ((train[0] - mean) / deviation, train[1]),
        ((validate[0] - mean) / deviation, validate[1]),
        settings,
    )
    weight = probe.weight.double() / deviation
    bias = probe.bias.double() - weight @ mean
    return replace(probe, weight=weight.float(), bias=bias.float())


def logistic(
    features: Float[Tensor, "images dim"],
    labels: Float[Tensor, "images findings"],
    penalty: float,
    iterations: int,
) -> tuple[Float[Tensor, "findings dim"], Float[Tensor, "findings"]]:
    """Penalised logistic regression of every finding at once.

    Minimises, for each finding, the mean cross entropy over its known labels plus
    penalty / 2 times the squared norm of the weights; the bias is not penalised.

    Raises:
        TrainingError: the weights are not finite.
    """
    known = labels.isfinite()
    target = labels.nan_to_num().double()
    share = known.double() / known.sum(0).clamp(min=1)
    inputs = features.double()
    weight = torch.zeros(labels.shape[1], inputs.shape[1], dtype=torch.double, requires_grad=True)
    bias = torch.zeros(labels.shape[1], dtype=torch.double, requires_grad=True)
    solver = torch.optim.LBFGS(
        [weight, bias],
        max_iter=iterations,
        tolerance_grad=1e-8,
        tolerance_change=1e-12,
        line_search_fn="strong_wolfe",
    )

    def loss() -> Tensor:
        solver.zero_grad()
        logits = inputs @ weight.T + bias
        entropy = torch.nn.functional.binary_cross_entropy_with_logits(
            logits, target, weight=share, reduction="sum"
        )
        total: Tensor = entropy + penalty / 2 * weight.square().sum()
        total.backward()
        return total

    with torch.enable_grad():
        solver.step(loss)
    if not (weight.isfinite().all() and bias.isfinite().all()):
        raise TrainingError(
            "The linear probe does not end in finite weights; expected numbers. Are there values "
            "in the features that are not finite?"
        )
    return weight.detach(), bias.detach()


def validation_aucs(
    fit: tuple[Tensor, Tensor],
    features: Float[Tensor, "images dim"],
    labels: Float[Tensor, "images findings"],
) -> Float[np.ndarray, " findings"]:
    """AUC of each finding; nan where it has no present or no absent example."""
    weight, bias = fit
    return auc((features.double() @ weight.T + bias).numpy(), labels.double().numpy())
