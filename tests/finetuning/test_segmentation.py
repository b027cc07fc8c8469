"""Segmentation: truth read, moved with its image, and learnt."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from carina.encoders.feature_pyramid import FeaturePyramid
from carina.encoders.resnet import ResNetConfig
from carina.encoders.upsampling import ProgressiveUpsampling, PyramidUpsampling
from carina.encoders.vit import ViTConfig
from carina.errors import ConfigError, ManifestError, QueryError
from carina.finetuning.outlines import (
    OutlinedBatches,
    OutlinedImages,
    check_outlined,
    masks_else_boxes,
    outlined_images,
)
from carina.finetuning.segmentation import (
    THRESHOLDS,
    EntropyAndDice,
    FocalAndLogDice,
    MaskValidation,
    SegmentationObjective,
    SegmentationSettings,
    dice_curves,
)
from carina.finetuning.segmenter import (
    DECODERS,
    Segmenter,
    SegmenterConfig,
    SegmenterParts,
    UpsamplingSegmenterConfig,
)
from carina.imaging.augmentation import WarpAugmentation
from carina.imaging.building import build_store
from carina.imaging.preprocessing import Preprocessing, Squash
from carina.imaging.store import ImageStore
from carina.metrics.segmentation import mask_metrics
from carina.studies.manifest import Manifest, write_manifest
from carina.studies.truth import absent_where_only_presence_is_listed
from carina.study import Assertion, Box, Finding, Mask, Radiograph, Study
from carina.training.objective import Place
from carina.zeroshot.protocol import Query, ZeroShotModel

CONFIG = SegmenterConfig(
    image=ResNetConfig(depths=(1, 1), widths=(4, 8), stem_width=4, channels=1, dim=6),
    preprocessing=Preprocessing(size=32, resize=Squash(), mean=(0.5,), std=(0.25,)),
    structures=("lung", "nodule"),
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four pictures of 40 x 60: each bright exactly where its lung is."""
    studies = []
    for number in range(4):
        inside = np.zeros((40, 60), dtype=np.uint8)
        inside[10:30, 5 + 5 * number : 35 + 5 * number] = 255
        Image.fromarray(inside).save(tmp_path / f"lung{number}.png")
        Image.fromarray(inside).save(tmp_path / f"{number}.png")
        studies.append(
            Study(
                study_id=f"s{number}",
                patient_id=f"p{number}",
                source="test",
                radiographs=(Radiograph(path=f"{number}.png", view="PA", width=60, height=40),),
                masks=(Mask(radiograph=0, label="Lung", path=f"lung{number}.png"),),
                boxes=(Box(radiograph=0, label="nodule", x1=6.0, y1=4.0, x2=18.0, y2=12.0),)
                if number == 0
                else (),
                findings=(Finding(name="nodule", value=Assertion.ABSENT),) if number == 1 else (),
            )
        )
    write_manifest(studies, tmp_path / "m.parquet", tmp_path)
    for name, items in (
        ("pictures", [f"{number}.png" for number in range(4)]),
        ("masks", [f"lung{number}.png" for number in range(4)]),
    ):
        build_store([(item, tmp_path / item) for item in items], tmp_path / name, 40, processes=1)
    return tmp_path


@pytest.fixture
def pictures(folder: Path) -> ImageStore:
    return ImageStore.open(folder / "pictures")


@pytest.fixture
def masks(folder: Path) -> ImageStore:
    return ImageStore.open(folder / "masks")


@pytest.fixture
def images(folder: Path, pictures: ImageStore) -> OutlinedImages:
    return read_outlines(folder, ["lung", "nodule"], pictures)


def read_outlines(folder: Path, names: list[str], pictures: ImageStore) -> OutlinedImages:
    manifest = Manifest.read(folder / "m.parquet")
    return outlined_images(
        manifest,
        manifest,
        names,
        pictures,
        reader=masks_else_boxes,
        unmentioned=absent_where_only_presence_is_listed,
    )


def test_what_is_not_outlined_is_known_only_where_it_is_absent(images: OutlinedImages) -> None:
    expected = [[1, 1], [1, 0], [1, np.nan], [1, np.nan]]
    np.testing.assert_array_equal(images.labels, expected)


def test_masks_and_boxes_lie_on_the_stored_picture(
    images: OutlinedImages, pictures: ImageStore, masks: ImageStore
) -> None:
    batch = OutlinedBatches(images, pictures, masks, batch_size=4, seed=0).batch(0, Place())
    for row, image in enumerate(batch.images.rows.tolist()):
        lung = batch.masks[row, 0] > 0
        assert torch.equal(lung, batch.images.pixels[row, 0] > 127)
        if image == 0:
            nodule = torch.zeros(40, 60).bool()
            nodule[4:12, 6:18] = True
            assert torch.equal(batch.masks[row, 1] > 0, nodule)
        else:
            assert not batch.masks[row, 1].any()
    assert batch.known[:, 0].all()
    assert batch.known[:, 1].sum() == 2


def test_image_and_mask_move_together(
    images: OutlinedImages, pictures: ImageStore, masks: ImageStore
) -> None:
    settings = SegmentationSettings(
        augmentation=WarpAugmentation(
            scale=(0.5, 1.0),
            rotation_degrees=30.0,
            shear=0.2,
            flip=0.5,
            brightness=0.0,
            contrast=0.0,
        )
    )
    seen = []

    class Watched(Segmenter):
        def forward(self, radiographs):
            seen.append(radiographs)
            # Right exactly where the picture is bright: the loss is 0 if the masks moved along.
            inside = radiographs[:, 0] * 0.25 + 0.5 > 0.5
            return torch.where(inside, 30.0, -30.0)[:, None].repeat(1, 2, 1, 1)

    objective = SegmentationObjective(Watched(CONFIG), settings)
    batches = OutlinedBatches(images, pictures, masks, batch_size=4, seed=0)
    for step in range(5):
        batch = batches.batch(step, Place())
        lung_alone = torch.zeros_like(batch.known)
        lung_alone[:, 0] = True
        from dataclasses import replace

        losses = objective.losses(replace(batch, known=lung_alone))
        assert float(losses["dice"].sum / losses["dice"].count) < 0.01
    assert not torch.equal(seen[0], seen[1])


def test_a_mask_of_another_shape_is_refused(folder: Path, images: OutlinedImages) -> None:
    Image.fromarray(np.zeros((60, 60), np.uint8)).save(folder / "lung2.png")
    items = [(f"lung{number}.png", folder / f"lung{number}.png") for number in range(4)]
    build_store(items, folder / "odd", 40, processes=1)
    batches = OutlinedBatches(
        images, ImageStore.open(folder / "pictures"), ImageStore.open(folder / "odd"), 4, 0
    )
    with pytest.raises(ManifestError, match=r"lung2.png.*40 x 40 .*radiograph \(60 x 40\)"):
        batches.batch(0, Place())


def test_structures_without_an_outline_are_refused(
    folder: Path, images: OutlinedImages, pictures: ImageStore
) -> None:
    with pytest.raises(ManifestError, match="none of 1 images outlines nodule"):
        check_outlined(images.of_patients(frozenset({"p2"})), ["lung", "nodule"], "m")
    with pytest.raises(ManifestError, match=r"outline of heart.*masks are of: lung"):
        read_outlines(folder, ["heart"], pictures)


def test_dice_at_thresholds_is_that_of_the_metric() -> None:
    maps = torch.rand(2, 8, 8, generator=torch.Generator().manual_seed(0))
    truth = torch.zeros(2, 8, 8).bool()
    truth[0, 2:6, 1:5] = True
    curves = dice_curves(maps, truth)
    for place, threshold in enumerate(THRESHOLDS):
        for structure in range(2):
            predicted = (maps[structure] >= threshold).numpy()
            expected = mask_metrics(predicted, truth[structure].numpy())["dice_with_empty"]
            assert curves[structure, place] == pytest.approx(expected)


def test_validation_chooses_the_threshold_that_draws_best(
    images: OutlinedImages, pictures: ImageStore, masks: ImageStore
) -> None:
    class Sure(Segmenter):
        """0.32 where the picture is bright, 0.12 elsewhere."""

        def forward(self, radiographs):
            inside = radiographs[:, 0] * 0.25 + 0.5 > 0.5
            return torch.logit(torch.where(inside, 0.32, 0.12))[:, None].repeat(1, 2, 1, 1)

    validation = MaskValidation(Sure(CONFIG), images, pictures, masks)
    lung, _ = validation.choose()
    assert 0.12 < lung <= 0.32
    assert validation.dice()[0, list(THRESHOLDS).index(lung)] > 0.95
    assert validation.score() < 0.5  # at one half nothing is drawn


def test_a_segmenter_can_be_asked() -> None:
    model = Segmenter(CONFIG)
    assert isinstance(model, ZeroShotModel)
    answers = model.answer(torch.randn(2, 1, 32, 32), model.encode_queries([Query("Nodule")]))
    assert answers.grids is not None
    assert answers.grids.shape == (2, 1, 32, 32)
    assert torch.equal(answers.scores, answers.grids.amax((2, 3)))
    with pytest.raises(QueryError, match=r"trained on lung, nodule.*asked about heart"):
        model.encode_queries([Query("heart")])


def test_settings_that_cannot_work_are_refused() -> None:
    with pytest.raises(ConfigError, match="dice_weight"):
        EntropyAndDice(dice_weight=-1.0)
    with pytest.raises(ConfigError, match="focal_weight"):
        FocalAndLogDice(focal_weight=-1.0)
    with pytest.raises(ConfigError, match="structures must be different"):
        SegmenterConfig(image=CONFIG.image, preprocessing=CONFIG.preprocessing, structures=())
    with pytest.raises(ConfigError, match="dropout"):
        SegmenterConfig(
            image=CONFIG.image,
            preprocessing=CONFIG.preprocessing,
            structures=("lung",),
            dropout=1.0,
        )
    with pytest.raises(ConfigError, match="structures must be different"):
        UpsamplingSegmenterConfig(
            image=CONFIG.image, preprocessing=CONFIG.preprocessing, structures=()
        )
    with pytest.raises(ConfigError, match="width must be at least 1, got 0"):
        PyramidUpsampling(width=0)
    with pytest.raises(ConfigError, match="width must be at least 1, got -3"):
        ProgressiveUpsampling(widest=-3)


@pytest.mark.parametrize("decoder", list(DECODERS))
@pytest.mark.parametrize(
    "image",
    [
        CONFIG.image,
        ViTConfig(size=32, patch=8, dim=16, layers=1, heads=2, hidden=16, channels=1),
    ],
)
def test_every_decoder_draws_over_every_encoder(decoder: str, image: ResNetConfig) -> None:
    torch.manual_seed(0)
    model = SegmenterParts(
        image=image,
        preprocessing=CONFIG.preprocessing,
        structures=("lung", "nodule"),
        decoder=DECODERS[decoder],
    ).build()
    pictures = torch.randn(2, 1, 32, 32)
    logits = model(pictures)
    assert logits.shape == (2, 2, 32, 32)
    logits.square().mean().backward()
    # The picture reaches every mask: no part of the way is cut.
    assert all(p.grad is not None for p in model.decoder.parameters())
    first = next(model.image_encoder.parameters()).grad
    assert first is not None
    assert first.abs().max() > 0


def test_progressive_upsampling_halves_its_channels_and_stops_at_64() -> None:
    decoder = ProgressiveUpsampling(widest=256).build(((768, 16),), 1)
    assert [step[0].out_channels for step in decoder.steps] == [256, 128, 64, 64]


def test_the_pyramid_decoder_adds_up_all_levels() -> None:
    decoder = PyramidUpsampling(width=16).build(((4, 4), (6, 16)), 1).eval()
    assert len(decoder.mixes) == len(FeaturePyramid.STRIDES)
    maps, picture = [torch.zeros(1, 4, 8, 8), torch.zeros(1, 6, 2, 2)], torch.zeros(1, 1, 32, 32)
    with torch.no_grad():
        nothing = decoder(maps, picture)
        maps[1][:] = 1.0
        assert not torch.allclose(decoder(maps, picture), nothing)
