import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from carina.errors import ConfigError, TrainingError
from carina.finetuning.linear_probe import ProbeSettings, fit_own_probes, fit_probe, logistic


@pytest.fixture
def data() -> tuple[torch.Tensor, torch.Tensor]:
    generator = np.random.default_rng(3)
    features = generator.normal(size=(120, 5))
    truth = generator.normal(size=(5, 2))
    labels = (features @ truth + generator.normal(size=(120, 2)) > 0).astype(float)
    return torch.from_numpy(features).float(), torch.from_numpy(labels)


@pytest.mark.parametrize("penalty", [1e-3, 0.1, 1.0])
def test_weights_are_those_of_scikit_learn(
    data: tuple[torch.Tensor, torch.Tensor], penalty: float
) -> None:
    features, labels = data
    weight, bias = logistic(features, labels, penalty, 500)
    for finding in range(2):
        oracle = LogisticRegression(C=1 / (penalty * 120), tol=1e-10, max_iter=5000)
        oracle.fit(features.numpy().astype(np.float64), labels[:, finding].numpy())
        np.testing.assert_allclose(weight[finding].numpy(), oracle.coef_[0], atol=1e-4)
        np.testing.assert_allclose(float(bias[finding]), oracle.intercept_[0], atol=1e-4)


def test_an_unknown_label_is_not_absent(data: tuple[torch.Tensor, torch.Tensor]) -> None:
    features, labels = data
    hidden = labels.clone()
    hidden[60:, 0] = float("nan")
    weight, bias = logistic(features, hidden, 0.1, 500)
    alone, alone_bias = logistic(features[:60], labels[:60], 0.1, 500)
    whole, _ = logistic(features, labels, 0.1, 500)
    torch.testing.assert_close(weight[0], alone[0], atol=1e-5, rtol=0)
    torch.testing.assert_close(bias[0], alone_bias[0], atol=1e-5, rtol=0)
    torch.testing.assert_close(weight[1], whole[1], atol=1e-5, rtol=0)


def test_the_validation_part_chooses_the_penalty() -> None:
    # The second feature is the label in training and noise in validation: a strong penalty,
    # which keeps its weight small, ranks better there.
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 2, (400, 1)).astype(float)
    true = labels + generator.normal(0, 1.0, labels.shape)
    train = torch.from_numpy(np.hstack([true, 50 * (labels - 0.5)])).float()
    validate = torch.from_numpy(np.hstack([true, generator.normal(0, 25, labels.shape)])).float()
    target = torch.from_numpy(labels)
    settings = ProbeSettings(penalties=(1e-4, 1.0, 100.0))
    fitted = fit_probe((train[:200], target[:200]), (validate[200:], target[200:]), settings)
    scores = [
        float(
            fit_probe(
                (train[:200], target[:200]),
                (validate[200:], target[200:]),
                ProbeSettings(penalties=(one,)),
            ).validation_auc[0]
        )
        for one in settings.penalties
    ]
    assert fitted.validation_auc[0] == pytest.approx(max(scores))
    best = [p for p, score in zip(settings.penalties, scores, strict=True) if score == max(scores)]
    assert fitted.penalties[0] == max(best)  # of equal ones the strongest


def test_a_finding_that_validation_does_not_show_takes_what_is_best_for_the_others(
    data: tuple[torch.Tensor, torch.Tensor],
) -> None:
    features, labels = data
    blind = labels[60:].clone()
    blind[:, 1] = 0
    fitted = fit_probe((features[:60], labels[:60]), (features[60:], blind))
    assert np.isnan(fitted.validation_auc[1])
    assert fitted.penalties[0] == fitted.penalties[1]


def test_settings_that_cannot_work_are_refused() -> None:
    with pytest.raises(ConfigError, match="penalties"):
        ProbeSettings(penalties=())
    with pytest.raises(ConfigError, match="penalties"):
        ProbeSettings(penalties=(0.0,))
    with pytest.raises(ConfigError, match="iterations"):
        ProbeSettings(iterations=0)


def test_features_that_are_no_numbers_end_in_a_clear_message() -> None:
    features = torch.full((4, 2), float("nan"))
    labels = torch.tensor([[0.0], [1.0], [0.0], [1.0]])
    with pytest.raises(TrainingError, match="finite"):
        logistic(features, labels, 0.1, 10)


def test_each_finding_is_fitted_on_features_of_its_own(
    data: tuple[torch.Tensor, torch.Tensor],
) -> None:
    features, labels = data
    own = torch.stack([features, 100 * features.flip(1) + 7], dim=1)
    settings = ProbeSettings(penalties=(0.1,), iterations=500)
    probe = fit_own_probes((own, labels), (own, labels), settings)
    for finding in range(2):
        inputs = own[:, finding].double().numpy()
        mean, deviation = inputs.mean(0), inputs.std(0)
        oracle = LogisticRegression(C=1 / (0.1 * 120), tol=1e-10, max_iter=5000)
        oracle.fit((inputs - mean) / deviation, labels[:, finding].numpy())
        expected = oracle.decision_function((inputs - mean) / deviation)
        logits = inputs @ probe.weight[finding].double().numpy() + float(probe.bias[finding])
        np.testing.assert_allclose(logits, expected, atol=2e-3)
