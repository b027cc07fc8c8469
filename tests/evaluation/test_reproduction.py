"""The reproduction report: what is run, what is not and why, and the page."""

import json
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest
from bright_cohort import BrightnessModel

import carina
from carina.cli.main import main
from carina.datasets.layouts import write_layout
from carina.datasets.registry import layout_named
from carina.errors import ConfigError, EvaluationError, ManifestError
from carina.evaluation.at_hand import AtHand, at_hand, with_releases
from carina.evaluation.protocol import Asked, Part, Protocol
from carina.evaluation.protocol_run import PROTOCOL, How, evaluate_by_protocol
from carina.evaluation.protocols import PROTOCOLS, protocol_named
from carina.evaluation.reproduction import Outcome, reproduce, training_of
from carina.evaluation.reproduction_page import reproduction_report
from carina.evaluation.result import Evaluation
from carina.evaluation.sources import sources_of
from carina.pages.reproduction import render_reproduction
from carina.phantom.cohort import PhantomConfig
from carina.studies.manifest import Manifest, write_manifest
from carina.zeroshot.protocol import Query


@pytest.fixture
def data(cohort: Manifest, tmp_path: Path) -> Path:
    """Two manifests: one says what it is of, the other does not."""
    folder = tmp_path / "manifests"
    write_manifest(cohort.studies, folder / "nih.parquet", cohort.root, "chestxray14")
    write_manifest(cohort.studies, folder / "other.parquet", cohort.root)
    return folder


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    folder = tmp_path / "bright"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"bright")
    return folder


def small(name: str, dataset: str = "chestxray14", images: int | None = None) -> Protocol:
    return Protocol(
        name=name,
        section="Section 1",
        part=Part(datasets=(dataset,), images=images),
        task=Asked(queries=(Query("pleural effusion"),), metrics=("auc",)),
    )


class Counted:
    """Carries protocols out with the brightness model, and counts."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def __call__(
        self, protocol: Protocol, path: Path, manifest: Manifest, training: Path
    ) -> tuple[Evaluation, str | None]:
        self.done.append(protocol.name)
        if protocol.name == "kad/impossible":
            raise EvaluationError("This model makes no <heat-maps>.")
        model = BrightnessModel()
        return evaluate_by_protocol(model, manifest, protocol, How(replicates=20), str(path)), None


def test_what_can_be_done_is_done_once_and_what_cannot_says_why(
    data: Path, weights: Path, tmp_path: Path
) -> None:
    carry_out, hand = Counted(), at_hand(data)
    protocols = [small("kad/chestxray14"), small("kad/impossible"), small("kad/far", "padchest")]

    def run(made_with: str = "seed 0") -> list[Outcome]:
        folders = {"bright": weights}
        return list(reproduce(folders, hand, protocols, tmp_path / "out", carry_out, made_with))

    first = run()
    assert [one.reason for one in first] == [
        "",
        "This model makes no <heat-maps>.",
        "no manifest of padchest at hand",
    ]
    assert (tmp_path / "out" / "bright" / "kad_chestxray14" / "evaluation.json").is_file()
    assert carry_out.done == ["kad/chestxray14", "kad/impossible"]
    again = run()
    assert carry_out.done.count("kad/chestxray14") == 1
    assert again[0].evaluation is not None
    assert first[0].evaluation is not None
    assert again[0].evaluation.mean == first[0].evaluation.mean
    run("seed 1")
    assert carry_out.done.count("kad/chestxray14") == 2
    (weights / "model.safetensors").write_bytes(b"brighter")
    run("seed 1")
    assert carry_out.done.count("kad/chestxray14") == 3


def test_manifests_that_cannot_be_used_are_told(data: Path, tmp_path: Path) -> None:
    hand = at_hand(data)
    assert list(hand.manifests) == ["chestxray14"]
    assert hand.unused == {
        "other.parquet": "does not say which dataset it is part of; index the release, or tell it "
        "with --part other.parquet=DATASET"
    }
    taken = at_hand(data, {"other.parquet": "covidx"})
    assert list(taken.manifests) == ["chestxray14", "covidx"]
    assert not taken.unused
    with pytest.raises(ManifestError, match=r"holds no nih\.csv; expected one of nih\.parquet"):
        at_hand(data, {"nih.csv": "covidx"})
    (data / "again.parquet").write_bytes((data / "nih.parquet").read_bytes())
    assert (
        at_hand(data).unused["nih.parquet"] == "is chestxray14 as again.parquet is, which was taken"
    )
    with pytest.raises(ManifestError, match="no such folder; expected one or more"):
        at_hand(tmp_path / "nowhere")
    with pytest.raises(ManifestError, match="no manifest; expected one or more"):
        at_hand(tmp_path)


def test_a_broken_manifest_is_told_and_the_others_are_used(data: Path) -> None:
    (data / "broken.parquet").write_text("no manifest")
    hand = at_hand(data)
    assert list(hand.manifests) == ["chestxray14"]
    assert "broken.parquet: is not a Parquet file" in hand.unused["broken.parquet"]


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Synthetic copies of releases in one, two and more folders, and a broken one."""
    folder = tmp_path_factory.mktemp("releases")
    for name in ("chexpert", "chexpert-test", "edema-severity", "ms-cxr", "rsna-lovt"):
        config = PhantomConfig(studies=12, size=64, seed=0)
        write_layout(layout_named(name), config, folder / name, 1)
    (folder / "siim-lovt").mkdir()
    (folder / "notes").mkdir()
    return folder


def test_releases_called_as_their_datasets_are_indexed_and_joined(
    releases: Path, tmp_path: Path
) -> None:
    hand = with_releases(releases, tmp_path / "manifests")
    joined = "chexpert+chexpert-test"
    own = ["chexpert", "chexpert-test", "edema-severity", "ms-cxr", "rsna-lovt"]
    assert list(hand.manifests) == [*own, joined]
    parts = len(hand.manifests["chexpert"]) + len(hand.manifests["chexpert-test"])
    assert len(hand.manifests[joined]) == parts
    assert list(hand.unused) == ["siim-lovt/"]
    assert "expected for siim-lovt but not there" in hand.unused["siim-lovt/"]
    assert sources_of(hand.manifests[joined].studies) == ["phantom as chexpert"]
    manifest = hand.manifests["rsna-lovt"]
    write_manifest(manifest.studies, releases / "mine.parquet", manifest.root, "rsna-lovt")
    again = with_releases(releases, tmp_path / "manifests")
    assert again.manifests["rsna-lovt"].path == releases / "mine.parquet"
    assert again.unused["rsna-lovt/"] == "was not indexed: mine.parquet is rsna-lovt already"


def test_a_folder_without_weights_is_refused(data: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"holds no model\.safetensors"):
        list(reproduce({"m": tmp_path}, at_hand(data), [], tmp_path / "out", Counted(), ""))


def test_papers_that_train_alike_share_a_training_and_others_do_not(data: Path) -> None:
    manifest = at_hand(data).manifests["chestxray14"]
    names = ("kad", "medklip")
    shared = [
        training_of(protocol_named(f"{paper}/chestxray14-classification@1%"), manifest)
        for paper in names
    ]
    assert shared[0] == shared[1]
    other = training_of(protocol_named("kad/chestxray14-classification@10%"), manifest)
    assert other != shared[0]


def page_of(outcomes: list[Outcome], hand: AtHand) -> str:
    return render_reproduction(reproduction_report(outcomes, ["bright"], hand, ["A fact."]))


def test_the_page_has_the_papers_number_that_of_users_ours_and_what_is_otherwise(
    data: Path, weights: Path, tmp_path: Path
) -> None:
    hand = at_hand(data)
    protocols = [small("kad/chestxray14"), small("kad/impossible"), small("kad/far", "padchest")]
    outcomes = list(
        reproduce({"bright": weights}, hand, protocols, tmp_path / "out", Counted(), "")
    )
    page = page_of(outcomes, hand)
    ET.fromstring(page.removeprefix("<!DOCTYPE html>\n"))
    for text in (
        "0.789",  # KAD's Table 1
        "0.703",  # users
        "1.000",  # the brightness model is never wrong about effusions
        "The model sees 64 pixels, the paper&#x27;s 224.",
        "This model makes no &lt;heat-maps&gt;.",
        "no manifest of padchest at hand",
        "other.parquet does not say which dataset it is",
        "KAD w/o DQN",  # every other row of the paper
        "A fact.",
    ):
        assert text in page
    assert 'class="outside"' not in page  # other radiographs than the paper's: not judged


def test_a_number_is_judged_only_on_as_many_radiographs_as_in_the_paper(
    data: Path, weights: Path, tmp_path: Path
) -> None:
    hand = at_hand(data)
    tested = sum(one.split == "test" for one in hand.manifests["chestxray14"].studies)
    protocols = [small("kad/chestxray14", images=tested)]
    outcomes = list(
        reproduce({"bright": weights}, hand, protocols, tmp_path / "out", Counted(), "")
    )
    assert 'class="outside"' in page_of(outcomes, hand)  # 1.000 is not 0.789


def test_the_manifest_that_has_the_scored_part_is_taken(cohort: Manifest, tmp_path: Path) -> None:
    folder = tmp_path / "manifests"
    trained = [replace(one, split="train") for one in cohort.studies]
    write_manifest(trained, folder / "a.parquet", cohort.root, "chexpert")
    write_manifest(cohort.studies, folder / "b.parquet", cohort.root, "chexpert-test")
    weights = tmp_path / "bright"
    weights.mkdir()
    (weights / "model.safetensors").write_bytes(b"bright")
    protocol = replace(small("kad/chexpert"), part=Part(datasets=("chexpert", "chexpert-test")))
    hand = at_hand(folder)
    (outcome,) = reproduce({"b": weights}, hand, [protocol], tmp_path / "out", Counted(), "")
    assert outcome.evaluation is not None
    assert outcome.evaluation.settings[PROTOCOL]["dataset"] == "chexpert-test"


def test_the_command_writes_the_page(
    data: Path, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Loaded:
        model = BrightnessModel()

    monkeypatch.setattr(carina, "load", lambda path, **_: Loaded())
    out = tmp_path / "out"
    words = ["reproduce", str(weights), "--data", str(data), "--out", str(out)]
    with pytest.raises(SystemExit) as end:
        main([*words, "--replicates", "20", "--protocol", "medklip/chestxray14"])
    assert end.value.code == 0
    assert "0.7233" in (out / "index.html").read_text()
    told = json.loads((out / "bright" / "medklip_chestxray14" / "evaluation.json").read_text())
    assert told["settings"]["protocol"]["name"] == "medklip/chestxray14"
    one = out / "one"
    with pytest.raises(SystemExit) as end:
        main(
            [
                *("evaluate", str(weights), str(data / "nih.parquet"), "--out", str(one)),
                *("--protocol", "kad/chestxray14", "--replicates", "20"),
            ]
        )
    assert end.value.code == 0
    assert (one / "index.html").is_file()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--protocol", "kad/padchest"), "nothing of it could be measured; why stands above"),
        (("--protocol", "ecamp/rsna-linear@1%"), "trains; add --fine-tune"),
        (("--steps", "3"), "add --fine-tune"),
        (("--protocol", "kad/none"), "There is no protocol 'kad/none'"),
    ],
)
def test_the_command_refuses_what_it_cannot_do(
    words: tuple[str, ...],
    message: str,
    data: Path,
    weights: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as end:
        main(["reproduce", str(weights), "--data", str(data), "--out", str(tmp_path / "o"), *words])
    assert end.value.code in (1, 2)
    assert message in capsys.readouterr().err


def test_no_protocol_is_of_a_paper_that_is_not_cited() -> None:
    assert {one.paper for one in PROTOCOLS.values()} == {"kad", "medklip", "maco", "ecamp"}
