"""Asking: who is answered, in which order, and what is refused."""

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from carina.encoders.tokenizer import train_wordpiece
from carina.errors import ConfigError, ModelError, QueryError, RadiographError
from carina.zeroshot.answer import Answer
from carina.zeroshot.ask import (
    Answered,
    LoadedModel,
    answer_in_batches,
    ask,
    encode,
)
from carina.zeroshot.prompts import PROMPT_SETS
from carina.zeroshot.protocol import Query, ZeroShotModel
from carina.zeroshot.reading import Unreadable, evaluating


def test_scores_are_those_of_each_image_and_query(model: nn.Module, films: list[Path]) -> None:
    answer = ask(model, films, ["mass", "fibrosis"], batch_size=2)
    # Grey i/5 divided by the 4 letters of "mass" and the 8 of "fibrosis".
    expected = np.outer(np.arange(5) / 5, [1 / 4, 1 / 8])
    np.testing.assert_allclose(answer.scores, expected, atol=1e-6)
    assert answer.scores.dtype == np.float32
    assert answer.grids is not None
    assert answer.grids.shape == (5, 2, 8, 8)
    assert answer.grids.dtype == np.float32
    assert [image.name for image in answer.images] == [str(film) for film in films]
    assert answer.queries == (Query("mass"), Query("fibrosis"))
    assert answer.unreadable == ()


def test_text_is_embedded_once_however_many_batches(model: nn.Module, films: list[Path]) -> None:
    ask(model, films, ["mass"], batch_size=2)
    assert model.encoded == 1
    assert model.batches == [2, 2, 1]


def test_a_loaded_model_embeds_the_same_queries_only_once(
    model: nn.Module, films: list[Path]
) -> None:
    loaded = LoadedModel(model, Path("runs/kad"))
    first = loaded.ask(films[:1], ["mass", "edema"])
    loaded.ask(films[1:2], ["mass", "edema"])
    assert model.encoded == 1
    other = loaded.ask(films[:1], ["edema", "mass"])
    assert model.encoded == 2
    np.testing.assert_array_equal(first.scores, other.scores[:, ::-1])
    assert loaded.preprocessing is model.preprocessing


def test_queries_are_embedded_anew_when_the_prompts_are_others(
    model: nn.Module, films: list[Path]
) -> None:
    loaded = LoadedModel(model)
    for name in ("biovil", "biovil", "there-is"):
        model.prompts = PROMPT_SETS[name]
        loaded.ask(films[:1], ["mass"])
    assert model.encoded == 2


@pytest.mark.parametrize("asked", [ask, lambda model, *given: LoadedModel(model).ask(*given)])
def test_a_query_that_the_model_cannot_read_is_refused(
    asked: Callable[..., Answer], model: nn.Module, films: list[Path]
) -> None:
    model.tokenizer, model.max_tokens = train_wordpiece(["a small mass"], 100), 20
    assert asked(model, films[:1], ["mass"]).scores.shape == (1, 1)
    with pytest.raises(QueryError, match="'気胸' has no word that this model's text encoder"):
        asked(model, films[:1], ["mass", "気胸"])


@pytest.mark.parametrize("batch_size", [0, -1])
def test_a_batch_without_images_is_refused(
    model: nn.Module, films: list[Path], batch_size: int
) -> None:
    with pytest.raises(ConfigError, match=f"batch_size must be at least 1, got {batch_size}"):
        ask(model, films, ["mass"], batch_size=batch_size)


@pytest.mark.parametrize("batch_size", [1, 2, 3, 16])
def test_the_batch_size_makes_no_difference(
    model: nn.Module, films: list[Path], batch_size: int
) -> None:
    answer = ask(model, films, ["mass"], batch_size=batch_size)
    np.testing.assert_allclose(answer.scores, ask(model, films, ["mass"]).scores)


def test_a_folder_is_asked_file_by_file(model: nn.Module, films: list[Path]) -> None:
    answer = ask(model, [films[0].parent], ["mass"])
    assert [image.source for image in answer.images] == films


def test_arrays_are_answered_and_numbered(model: nn.Module) -> None:
    answer = ask(model, [np.full((30, 20), 0.5), np.zeros((30, 20), np.uint8)], ["mass"])
    np.testing.assert_allclose(answer.scores[:, 0], [128 / 255 / 4, 0], atol=1e-6)
    assert [image.name for image in answer.images] == ["image 1", "image 2"]


def test_an_unreadable_file_is_named_and_the_others_are_answered(
    model: nn.Module, films: list[Path]
) -> None:
    films[1].write_bytes(b"")
    answer = ask(model, films, ["mass"], batch_size=2)
    np.testing.assert_allclose(answer.scores[:, 0], np.array([0, 2, 3, 4]) / 20, atol=1e-6)
    assert [image.number for image in answer.images] == [0, 2, 3, 4]
    (message,) = answer.unreadable
    assert message.startswith(f"{films[1]}: ")
    assert "0 bytes" in message


def test_a_batch_of_nothing_but_broken_files_never_reaches_the_model(
    model: nn.Module, films: list[Path]
) -> None:
    films[0].write_bytes(b"")
    films[1].write_bytes(b"")
    assert len(ask(model, films, ["mass"], batch_size=2).unreadable) == 2
    assert model.batches == [2, 1]


def test_a_single_unreadable_file_is_an_error(model: nn.Module, tmp_path: Path) -> None:
    with pytest.raises(RadiographError, match=r"gone\.dcm: there is no such file"):
        ask(model, [tmp_path / "gone.dcm"], ["mass"])


def test_several_unreadable_files_are_one_error(model: nn.Module, tmp_path: Path) -> None:
    with pytest.raises(RadiographError, match=r"None of the 2 images can be read.*a\.png"):
        ask(model, [tmp_path / "a.png", tmp_path / "b.png"], ["mass"])


def test_wrong_queries_are_refused_before_any_image_is_read(model: nn.Module) -> None:
    with pytest.raises(QueryError, match="given twice"):
        ask(model, ["nowhere.png"], ["mass", "Mass"])
    with pytest.raises(QueryError, match="no query"):
        LoadedModel(model).ask(["nowhere.png"], [])


def test_a_score_that_is_no_number_stops_with_a_message(
    model: nn.Module, films: list[Path]
) -> None:
    queries = encode(model, [Query("mass")])
    queries.features["lengths"][0] = float("nan")
    with pytest.raises(ModelError, match="not a number"):
        list(answer_in_batches(model, films, queries))


def test_batches_come_in_order_with_what_could_not_be_read_in_its_place(
    model: nn.Module, films: list[Path]
) -> None:
    films[3].write_bytes(b"%PDF-1.4")
    results = list(answer_in_batches(model, films, encode(model, [Query("mass")]), batch_size=2))
    assert [one.index for one in results] == [0, 1, 2, 3, 4]
    assert [isinstance(one, Unreadable) for one in results] == [False, False, False, True, False]
    first = results[0]
    assert isinstance(first, Answered)
    assert (first.placement.height, first.placement.width) == (40, 50)


def test_images_are_read_no_more_than_two_batches_ahead(
    model: nn.Module, films: list[Path]
) -> None:
    asked = itertools.count()

    def endless() -> itertools.chain[Path]:
        return itertools.chain.from_iterable((next(asked), films[0])[1:] for _ in itertools.count())

    answers = answer_in_batches(model, endless(), encode(model, [Query("mass")]), batch_size=3)
    next(answers)
    answers.close()  # type: ignore[attr-defined]
    assert next(asked) <= 6


def test_dropout_and_gradients_are_off_while_asked_and_back_on_after(
    model: nn.Module, films: list[Path]
) -> None:
    model.train()
    ask(model, films[:1], ["mass"])
    assert not model.trained_while_asked
    assert model.training
    assert torch.is_grad_enabled()


def test_radiographs_go_where_the_weights_are(model: nn.Module) -> None:
    model.weight = torch.nn.Parameter(torch.empty(1, device="meta"))
    with evaluating(model) as device:
        assert device == torch.device("meta")


def test_models_are_told_by_their_protocol(model: nn.Module) -> None:
    assert isinstance(model, ZeroShotModel)
    assert not isinstance(torch.nn.Identity(), ZeroShotModel)


def test_values_of_12_bits_in_16_are_answered_with_a_warning_unless_their_path_tells_them(
    model: nn.Module, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    deep = np.linspace(0, 4095, 2000).reshape(40, 50).astype(np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    arrays = [np.full((40, 50), level, np.uint8) for level in (0, 200)]
    ask(model, [*arrays, tmp_path / "deep.png"], ["mass"])
    assert "1 of 3 images (the first: number 3)" in caplog.text
    caplog.clear()
    ask(model, [*arrays, tmp_path / "deep.png#bits=12"], ["mass"])
    assert not caplog.text
