import numpy as np
from sklearn.metrics import accuracy_score, f1_score, recall_score

from carina.metrics.multiclass import class_statistic
from carina.metrics.ranking import ones


def test_choices_are_measured_as_scikit_learn_does() -> None:
    generator = np.random.default_rng(0)
    true, chosen = generator.integers(0, 3, (2, 60))
    recalls = recall_score(true, chosen, average=None)
    f1 = f1_score(true, chosen, average=None)
    for number in range(3):
        made = class_statistic(chosen, true, number)(ones(60))
        np.testing.assert_allclose(made["accuracy"], accuracy_score(true, chosen))
        np.testing.assert_allclose(made["recall"], recalls[number])
        np.testing.assert_allclose(made["f1"], f1[number])


def test_a_class_that_never_occurs_has_no_recall() -> None:
    made = class_statistic(np.array([0, 0]), np.array([0, 1]), 2)(ones(2))
    assert np.isnan(made["recall"][0])
    assert np.isnan(made["f1"][0])
    assert made["accuracy"][0] == 0.5
