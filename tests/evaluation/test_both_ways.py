"""One model asked by direct name and by description, on the same images."""

import json
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from bright_cohort import BrightnessModel
from jaxtyping import Float
from torch import Tensor

import carina
from carina.cli.main import main
from carina.errors import ConfigError, EvaluationError, KnowledgeError
from carina.evaluation.both_ways import BothWays, both_ways_page, both_ways_rows, evaluate_both_ways
from carina.evaluation.page_cases import queries_again
from carina.evaluation.result import Evaluation
from carina.evaluation.run import EvaluationRequest, evaluate
from carina.knowledge.descriptions import Description, Descriptions
from carina.pages.report_page import render_report_page
from carina.studies.manifest import Manifest
from carina.zeroshot.protocol import Answers, EncodedQueries, Query

FEW = EvaluationRequest(replicates=50)


class Reader(BrightnessModel):
    """Sees a finding that is described; of one that is merely named it says 0.5 everywhere."""

    def answer(
        self, radiographs: Float[Tensor, "batch channels height width"], queries: EncodedQueries
    ) -> Answers:
        seen = super().answer(radiographs, queries)
        told = torch.tensor([query.text != query.name for query in queries.queries])
        scores = torch.where(told, seen.scores, torch.full_like(seen.scores, 0.5))
        return replace(seen, scores=scores)


@pytest.fixture(scope="module")
def both(cohort: Manifest) -> BothWays:
    return evaluate_both_ways(Reader(), cohort, FEW, "a reader")


def test_a_reader_of_descriptions_gains_by_them_what_it_must(both: BothWays) -> None:
    # Equal scores everywhere are chance, 0.5; seeing the bright square is 1.
    for name in ("nodule", "pleural effusion"):
        assert both.by_name.findings[name]["auc"].value == 0.5
        assert both.described.findings[name]["auc"].value == 1
        found = both.compared.findings[name]["auc"]
        assert (found.first, found.second, found.difference) == (1, 0.5, 0.5)
        assert (found.low, found.high) == (None, None)  # no two resamples differ
        assert found.p_value is not None
        assert found.p_value < 0.05
    assert both.compared.mean["auc"].difference == 0.5
    assert (both.compared.first, both.compared.second) == ("description", "direct name")


def test_a_model_that_does_not_read_gains_nothing(cohort: Manifest) -> None:
    blind = evaluate_both_ways(BrightnessModel(noise=1.2), cohort, FEW)
    assert {row["auc"].difference for row in blind.compared.findings.values()} == {0}
    assert {row["auc"].p_value for row in blind.compared.findings.values()} == {1}


def test_names_are_asked_alone_and_descriptions_are_ours_or_the_callers(cohort: Manifest) -> None:
    model = Reader()
    own = Descriptions(entries=(Description(name="effusion", text="A bright half."),))
    request = replace(FEW, descriptions=Descriptions.default().extended(own))
    evaluate_both_ways(model, cohort, request)
    asked = {query.text for query in model.asked}
    nodule = Descriptions.default().of("nodule").text
    assert asked == {
        *("nodule", "pleural effusion"),
        *(f"nodule: {nodule}", "pleural effusion: A bright half."),
    }
    # Also a model that looks descriptions up is told that the name is all there is.
    assert Query("nodule", "nodule") in model.asked


def test_a_query_keeps_its_own_description_and_loses_it_when_asked_by_name(
    cohort: Manifest,
) -> None:
    model = Reader()
    evaluate_both_ways(model, cohort, replace(FEW, queries=(Query("nodule", "A square."),)))
    assert {query.text for query in model.asked} == {"nodule", "nodule: A square."}


def test_heat_maps_of_the_page_are_asked_as_the_scores_were(both: BothWays) -> None:
    assert queries_again(both.by_name)[0] == Query("nodule", "nodule")
    assert queries_again(both.described)[0].description == Descriptions.default().of("nodule").text


def test_descriptions_can_be_asked_without_the_names(cohort: Manifest) -> None:
    model = Reader()
    request = replace(FEW, descriptions=Descriptions.default())
    found = evaluate(model, cohort, request)
    assert found.mean["auc"].value == 1
    assert all(query.description for query in model.asked)
    assert evaluate(model, cohort, replace(request, task="grounding")).findings


def test_grounding_is_compared_too(cohort: Manifest) -> None:
    found = evaluate_both_ways(BrightnessModel(), cohort, replace(FEW, task="grounding"))
    metrics = [row.metric for row in both_ways_rows(found)]
    assert metrics == ["pointing_game"] * 3 + ["dice"] * 3
    assert found.compared.mean["pointing_game"].difference == 0


def test_a_finding_without_description_is_refused_before_any_scoring(cohort: Manifest) -> None:
    model = Reader()
    request = replace(FEW, queries=(Query("nodule"), Query("xyzzy"), Query("plugh")))
    with pytest.raises(KnowledgeError, match="no description of 'xyzzy', 'plugh'"):
        evaluate_both_ways(model, cohort, request)
    assert model.asked == []


def test_data_without_findings_say_so_and_not_that_nothing_was_asked(cohort: Manifest) -> None:
    bare = cohort.with_studies([replace(study, findings=()) for study in cohort.studies])
    with pytest.raises(EvaluationError, match="lists no findings"):
        evaluate_both_ways(Reader(), bare, FEW)


def test_a_task_that_asks_no_findings_is_refused(
    cohort: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    from carina.evaluation import run

    monkeypatch.setitem(run.TASKS, "sing", run.zero_shot_task)
    with pytest.raises(ConfigError, match="'sing' cannot be asked both ways, expected one of zero"):
        evaluate_both_ways(Reader(), cohort, replace(FEW, task="sing"))


def test_the_page_shows_both_and_the_difference(both: BothWays, cohort: Manifest) -> None:
    page = render_report_page(both_ways_page(both, Reader(), cohort))
    part = page[page.index('<section id="ways">') :].partition("</section>")[0]
    for heading in ("direct name", "description", "difference", "p (Holm)"):
        assert re.search(rf"<th[^>]*>{re.escape(heading)}</th>", part)
    row = re.search(r'<tr><th scope="row" data-sort="nodule">.*?</tr>', part, re.DOTALL)
    assert row is not None
    shown = re.findall(r'<td data-sort="([^"]*)"', row[0])
    assert shown[1:4] == ["0.5", "1", "0.5"]
    assert "Gain by describing, mean AUC" in page
    assert '<a href="#ways">' in page


def test_a_page_of_one_way_has_no_such_section(cohort: Manifest) -> None:
    from carina.evaluation.page import evaluation_page

    found = evaluate(Reader(), cohort, FEW)
    assert 'id="ways"' not in render_report_page(evaluation_page(found, Reader(), cohort))


def words(cohort: Manifest, out: Path, *more: str) -> tuple[str, ...]:
    return ("evaluate", "reader", str(cohort.path), "--out", str(out), "--replicates", "30", *more)


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> Reader:
    reader = Reader()
    found = SimpleNamespace(model=reader)
    monkeypatch.setitem(vars(carina), "load", lambda folder, prompts=None: found)
    monkeypatch.setenv("COLUMNS", "120")
    return reader


def ended(*command: str) -> int:
    with pytest.raises(SystemExit) as stop:
        main(command)
    return int(stop.value.code or 0)


@pytest.mark.usefixtures("loaded")
def test_the_command_writes_both_and_can_be_repeated(
    cohort: Manifest, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        assert ended(*words(cohort, out, "--both-ways")) == 0
    assert sorted(path.name for path in out.iterdir()) == [
        *("comparison.json", "described", "evaluation.json", "index.html"),
        *("predictions.parquet", "predictions_validate.parquet"),
    ]
    assert Evaluation.read(out).mean["auc"].value == 0.5
    assert Evaluation.read(out / "described").mean["auc"].value == 1
    compared = json.loads((out / "comparison.json").read_text())
    assert compared["mean"]["auc"]["difference"] == 0.5
    printed = [line.split() for line in capsys.readouterr().out.splitlines()]
    mean = next(line for line in printed if line[:1] == ["mean"])
    assert mean[1:4] == ["0.500", "1.000", "+0.500"]


def test_the_command_takes_a_file_of_descriptions(
    loaded: Reader, cohort: Manifest, out: Path, tmp_path: Path
) -> None:
    own = tmp_path / "own.json"
    own.write_text('{"nodule": "A bright square."}')
    more = ("--query", "nodule", "--query", "effusion", "--descriptions", str(own))
    assert ended(*words(cohort, out, *more)) == 0
    texts = {query.name: query.description for query in loaded.asked}
    assert texts["nodule"] == "A bright square."
    assert texts["effusion"] == Descriptions.default().of("pleural effusion").text


@pytest.mark.usefixtures("loaded")
def test_a_wrong_file_ends_with_one_message(
    cohort: Manifest, out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = tmp_path / "own.json"
    own.write_text('{"nodule": ""}')
    assert ended(*words(cohort, out, "--descriptions", str(own))) == 1
    assert "own.json: the description 'nodule': '' has a blank text" in capsys.readouterr().err
    assert not out.exists()
