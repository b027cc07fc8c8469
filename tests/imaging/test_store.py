"""The image store: what is kept, what is refused, and what a killed build leaves behind."""

import errno
import fcntl
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from carina.errors import CarinaError, ConfigError, OutputError, StoreError
from carina.imaging import packing
from carina.imaging import store as store_module
from carina.imaging.building import StoreSummary, build_store, repair_store
from carina.imaging.shards import Codec, JpegCodec, RawCodec, read_entries
from carina.imaging.store import ImageStore

Items = list[tuple[str, Path]]


@pytest.fixture
def items(tmp_path: Path) -> Items:
    """Twelve pictures of several shapes, their keys not in order."""
    folder = tmp_path / "files"
    folder.mkdir()
    generator = np.random.default_rng(1)
    made = []
    for i in range(12):
        height, width = ((96, 64), (64, 96), (80, 80))[i % 3]
        path = folder / f"{(i * 5) % 12:02d}.png"
        base = generator.integers(0, 256, (height // 8, width // 8), dtype=np.uint8)
        Image.fromarray(base).resize((width, height)).save(path)
        made.append((f"a/{path.name}", path))
    return made


def pixels_by_pillow(path: Path, size: int) -> np.ndarray:
    image = Image.open(path)
    scale = size / min(image.size)
    shape = (round(image.width * scale), round(image.height * scale))
    return np.asarray(image.resize(shape, Image.Resampling.BICUBIC))


def test_store_holds_every_image_at_its_size(items: Items, tmp_path: Path) -> None:
    summary = build_store(items, tmp_path / "store", 32, processes=1)
    assert summary == StoreSummary(written=12, kept=0, unreadable=())
    store = ImageStore.open(tmp_path / "store")
    assert store.keys == tuple(sorted(key for key, _ in items))
    assert (len(store), store.size) == (12, 32)
    for key, path in items:
        expected = pixels_by_pillow(path, 32)
        assert store[key].dtype == np.uint8
        assert store.shape(key) == store[key].shape == expected.shape
        assert min(store[key].shape) == 32
        assert np.abs(store[key].astype(int) - expected).max() <= 2
        assert store.source_shape(key) == Image.open(path).size[::-1]
        assert key in store


def test_images_are_read_only(items: Items, tmp_path: Path) -> None:
    build_store(items, tmp_path / "store", 32, processes=1)
    with pytest.raises(ValueError, match="read-only"):
        ImageStore.open(tmp_path / "store")[items[0][0]][0, 0] = 1


def test_mean_and_deviation_are_those_of_all_pixels(items: Items, tmp_path: Path) -> None:
    build_store(items, tmp_path / "store", 32, processes=1)
    store = ImageStore.open(tmp_path / "store")
    pixels = np.concatenate([store[key].ravel() for key in store.keys]) / 255
    assert store.mean == pytest.approx(pixels.mean(), abs=1e-12)
    assert store.std == pytest.approx(pixels.std(), abs=1e-12)


def test_several_processes_give_the_same_store(items: Items, tmp_path: Path) -> None:
    build_store(items, tmp_path / "one", 32, processes=1)
    summary = build_store(items, tmp_path / "two", 32, processes=2)
    assert summary.written == 12
    one, two = ImageStore.open(tmp_path / "one"), ImageStore.open(tmp_path / "two")
    assert one.keys == two.keys
    assert (one.mean, one.std) == (two.mean, two.std)
    assert all(np.array_equal(one[key], two[key]) for key in one.keys)


def test_small_pictures_are_enlarged_to_the_size(tmp_path: Path) -> None:
    Image.new("L", (20, 30), 7).save(tmp_path / "a.png")
    build_store([("a", tmp_path / "a.png")], tmp_path / "store", 40)
    assert ImageStore.open(tmp_path / "store")["a"].shape == (60, 40)


def test_compressed_store_is_smaller_and_a_little_off(tmp_path: Path) -> None:
    y, x = np.mgrid[:400, :300]
    picture = np.clip(128 + 60 * np.sin(x / 30) + 50 * np.cos(y / 40), 0, 255).astype(np.uint8)
    Image.fromarray(picture).save(tmp_path / "a.png")
    for name, codec in (("raw", RawCodec()), ("small", JpegCodec())):
        build_store([("a", tmp_path / "a.png")], tmp_path / name, 224, codec=codec)
    raw, small = (ImageStore.open(tmp_path / name) for name in ("raw", "small"))
    assert np.abs(raw["a"].astype(int) - small["a"]).max() <= 4
    assert not small.verify()

    def used(name: str) -> int:
        return sum(path.stat().st_size for path in (tmp_path / name / "shards").iterdir())

    assert used("small") < used("raw") / 3
    with pytest.raises(StoreError, match="size 224 and form raw, asked for were size 224 and form"):
        build_store([("a", tmp_path / "a.png")], tmp_path / "raw", 224, codec=JpegCodec())


def test_unreadable_files_are_named_counted_and_left_out(items: Items, tmp_path: Path) -> None:
    items[3][1].write_bytes(b"")
    items[7][1].write_bytes(b"%PDF-1.4")
    missing = ("gone", tmp_path / "gone.png")
    summary = build_store([*items, missing], tmp_path / "store", 32, processes=1)
    assert summary.written == 10
    assert [key for key, _ in summary.unreadable] == [items[3][0], items[7][0], "gone"]
    reasons = " ".join(message for _, message in summary.unreadable)
    assert "empty (0 bytes)" in reasons
    assert "PDF" in reasons
    assert "no such file" in reasons
    store = ImageStore.open(tmp_path / "store")
    assert items[3][0] not in store
    with pytest.raises(StoreError, match=r"has no image 'gone'\. It holds 10 images"):
        store["gone"]


def test_next_build_keeps_what_is_there_and_tries_the_rest_again(
    items: Items, tmp_path: Path
) -> None:
    good = items[0][1].read_bytes()
    items[0][1].write_bytes(good[:50])
    assert build_store(items[:6], tmp_path / "store", 32, processes=1).written == 5
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "store/shards").iterdir()}
    items[0][1].write_bytes(good)
    summary = build_store(items, tmp_path / "store", 32, processes=1)
    assert (summary.written, summary.kept) == (7, 5)
    assert all(path.stat().st_mtime_ns == moment for path, moment in before.items())
    assert len(ImageStore.open(tmp_path / "store")) == 12


def test_lost_index_is_made_again_from_the_shards(items: Items, tmp_path: Path) -> None:
    build_store(items, tmp_path / "store", 32, processes=1)
    index = tmp_path / "store" / "index.parquet"
    for damage in (index.unlink, lambda: index.write_bytes(b"PAR1 no more")):
        damage()
        with pytest.raises(StoreError, match=r"not finished|index\.parquet is damaged"):
            ImageStore.open(tmp_path / "store")
        assert build_store(items, tmp_path / "store", 32, processes=1).kept == 12
        assert not ImageStore.open(tmp_path / "store").verify()


def test_lost_shard_is_packed_again_by_the_next_build(items: Items, tmp_path: Path) -> None:
    build_store(items, tmp_path / "store", 32, processes=1)
    shards = sorted((tmp_path / "store" / "shards").glob("*.shard"))
    shards[0].unlink()
    shards[1].write_bytes(shards[1].read_bytes()[:100])
    store = ImageStore.open(tmp_path / "store")
    damaged = store.verify().images
    assert 2 <= len(damaged) < 12
    messages = []
    for key in damaged:
        with pytest.raises(StoreError, match=r"cut off|cannot be read") as caught:
            store[key]
        messages.append(str(caught.value))
    assert len({"cut off" in message for message in messages}) == 2
    assert build_store(items, tmp_path / "store", 32, processes=1).written == len(damaged)
    assert not ImageStore.open(tmp_path / "store").verify()


def test_flipped_bit_is_found_and_repaired(items: Items, tmp_path: Path) -> None:
    out = tmp_path / "store"
    build_store(items, out, 32, processes=1)
    before = {key: ImageStore.open(out)[key].copy() for key, _ in items}
    shard = sorted((out / "shards").glob("*.shard"))[0]
    content = bytearray(shard.read_bytes())
    content[10] ^= 0x40
    shard.write_bytes(content)
    damaged = ImageStore.open(out).verify().images
    assert len(damaged) == 1
    summary = repair_store(items, out, processes=1)
    assert (summary.written, summary.kept) == (1, 11)
    after = ImageStore.open(out)
    assert not after.verify()
    assert all(np.array_equal(after[key], before[key]) for key, _ in items)
    # A later build must not fall back on the damaged copy, even when the index is lost.
    (out / "index.parquet").unlink()
    build_store(items, out, 32, processes=1)
    assert not ImageStore.open(out).verify()


def test_damaged_image_whose_file_is_gone_is_dropped_by_repair(
    items: Items, tmp_path: Path
) -> None:
    out = tmp_path / "store"
    build_store(items, out, 32, processes=1)
    for shard in sorted((out / "shards").glob("*.shard"))[::2]:
        content = bytearray(shard.read_bytes())
        content[0] ^= 1
        shard.write_bytes(content)
    damaged = ImageStore.open(out).verify().images
    rest = [(key, path) for key, path in items if key not in damaged]
    assert repair_store(rest, out, processes=1).written == 0
    assert set(ImageStore.open(out).keys) == {key for key, _ in rest}


def test_scaled_decoding_stays_close_to_a_full_decode(tmp_path: Path) -> None:
    generator = np.random.default_rng(3)
    coarse = Image.fromarray(generator.integers(30, 226, (30, 25), dtype=np.uint8))
    picture = coarse.resize((1500, 1800), Image.Resampling.BICUBIC)
    picture.save(tmp_path / "a.jpg", quality=95)
    ours, height, width = packing.shrink(tmp_path / "a.jpg", 150)
    assert (height, width, ours.shape) == (1800, 1500, (180, 150))
    difference = np.abs(ours.astype(int) - pixels_by_pillow(tmp_path / "a.jpg", 150))
    assert difference.mean() < 0.5
    assert difference.max() <= 5


def test_store_needs_no_torch() -> None:
    # Every worker imports it: torch would cost each of them more than a second.
    code = "import sys, carina.imaging.store; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_store_can_be_pickled_after_reading(items: Items, tmp_path: Path) -> None:
    build_store(items, tmp_path / "store", 32, processes=1)
    store = ImageStore.open(tmp_path / "store")
    first = store[items[0][0]]
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(store))[items[0][0]], first)


@pytest.mark.parametrize(
    ("break_it", "error", "message"),
    [
        (
            lambda items, out: build_store([*items, items[0]], out, 32),
            StoreError,
            "Two images have",
        ),
        (lambda items, out: build_store([], out, 32), StoreError, "no image to pack"),
        (lambda items, out: build_store(items, out, 8), ConfigError, "at least 16 pixels, got 8"),
        (lambda items, out: ImageStore.open(out), StoreError, "this is no image store"),
        (repair_store, StoreError, "this is no image store"),
        (
            lambda items, out: build_store([("x", out / "x.png")], out, 32),
            StoreError,
            r"none of 1 images could be read\. The first: .*no such file",
        ),
    ],
)
def test_nonsense_is_refused(
    items: Items, tmp_path: Path, break_it: object, error: type[CarinaError], message: str
) -> None:
    assert callable(break_it)
    with pytest.raises(error, match=message):
        break_it(items, tmp_path / "store")


def test_store_of_another_size_is_not_touched(items: Items, tmp_path: Path) -> None:
    build_store(items, tmp_path / "store", 32, processes=1)
    with pytest.raises(StoreError, match="has size 32 and form raw, asked for were size 64"):
        build_store(items, tmp_path / "store", 64, processes=1)


def test_folder_with_other_files_is_refused(items: Items, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="no image store and holds other files"):
        build_store(items, tmp_path / "files", 32)
    with pytest.raises(OutputError, match="no image store and holds other files"):
        build_store(items, items[0][1], 32)


def test_place_that_cannot_be_written_is_refused(items: Items, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written"):
        build_store(items, items[0][1] / "store", 32)


def test_header_of_another_version_or_damaged_is_refused(items: Items, tmp_path: Path) -> None:
    build_store(items, tmp_path / "store", 32, processes=1)
    header = tmp_path / "store" / "store.json"
    header.write_text('{"version": 9, "size": 32, "codec": "raw"}')
    with pytest.raises(StoreError, match="has version 9 and form raw, this carina reads version 1"):
        ImageStore.open(tmp_path / "store")
    header.write_text('{"version": ')
    with pytest.raises(StoreError, match=r"store\.json cannot be read"):
        ImageStore.open(tmp_path / "store")


def test_second_builder_is_refused_while_the_first_works(
    items: Items, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shrink = packing.shrink

    def build_inside(path: Path, size: int) -> object:
        with pytest.raises(StoreError, match="another build is writing this image store"):
            build_store(items, tmp_path / "store", 32, processes=1)
        return shrink(path, size)

    monkeypatch.setattr(packing, "shrink", build_inside)
    assert build_store(items[:1], tmp_path / "store", 32, processes=1).written == 1


def test_full_disk_ends_the_build_and_loses_nothing(
    items: Items, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build_store(items[:4], tmp_path / "store", 32, processes=1)

    def no_space(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", no_space)
        with pytest.raises(OutputError, match="the disk is full"):
            build_store(items, tmp_path / "store", 32, processes=1)
    assert not list((tmp_path / "store" / "shards").glob("*.tmp"))
    assert len(ImageStore.open(tmp_path / "store")) == 4
    assert build_store(items, tmp_path / "store", 32, processes=1).kept == 4


def start_build(items: Sequence[tuple[str, Path]], out: Path) -> subprocess.Popen[bytes]:
    listing = repr([(key, str(path)) for key, path in items])
    code = (
        "from pathlib import Path\nfrom carina.imaging.building import build_store\n"
        f"build_store([(k, Path(p)) for k, p in {listing}], Path({str(out)!r}), 256, processes=2)"
    )
    return subprocess.Popen([sys.executable, "-c", code], start_new_session=True)


def wait_for(condition: object, seconds: float = 60) -> None:
    assert callable(condition)
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


def test_killed_build_keeps_its_shards_and_the_next_one_finishes(tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (700, 700), dtype=np.uint8)
    Image.fromarray(picture).save(tmp_path / "a.png")
    items = [(f"{i:03d}", tmp_path / "a.png") for i in range(64)]
    out = tmp_path / "store"
    process = start_build(items, out)
    wait_for(lambda: len(list((out / "shards").glob("*.shard"))) >= 2)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = len(list((out / "shards").glob("*.shard")))
    with pytest.raises(StoreError, match="was not finished"):
        ImageStore.open(out)
    summary = build_store(items, out, 256, processes=1)
    assert summary.kept >= done  # 64 images make as many shards
    assert summary.written == 64 - summary.kept > 0
    store = ImageStore.open(out)
    assert len(store) == 64
    assert not store.verify()


def test_interrupted_build_leaves_no_worker_behind(tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (700, 700), dtype=np.uint8)
    Image.fromarray(picture).save(tmp_path / "a.png")
    items = [(f"{i:03d}", tmp_path / "a.png") for i in range(64)]
    process = start_build(items, tmp_path / "store")
    wait_for(lambda: list((tmp_path / "store" / "shards").glob("*.shard")))
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) != 0
    assert children
    wait_for(lambda: not any(Path(f"/proc/{child}").exists() for child in children))
    assert not list((tmp_path / "store" / "shards").glob(".*.tmp"))


def test_decoder_crash_costs_one_image_and_not_the_build(
    items: Items, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A stand-in for a decoder that crashes: workers import it from this folder first.
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys\n"
        "if 'carina.imaging.packing' in ' '.join(sys.orig_argv):\n"
        "    from carina.imaging import raster\n"
        "    read = raster.read_levels\n"
        "    def crash(path, side):\n"
        "        return os.abort() if path.name == '05.png' else read(path, side)\n"
        "    raster.read_levels = crash\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    summary = build_store(items, tmp_path / "store", 32, processes=2)
    assert summary.written == 11
    ((key, message),) = summary.unreadable
    assert key == "a/05.png"
    assert "the process that decoded this file crashed" in message


def test_workers_that_all_die_end_the_build(
    items: Items, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys\nif 'carina.imaging.packing' in ' '.join(sys.orig_argv): os._exit(3)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(StoreError, match=r"12 processes in a row ended.*--processes 1"):
        build_store(items, tmp_path / "store", 32, processes=2)


def test_shard_that_was_cut_off_is_told_by_its_tail(items: Items, tmp_path: Path) -> None:
    build_store(items, tmp_path / "store", 32, processes=1)
    shard = sorted((tmp_path / "store" / "shards").glob("*.shard"))[0]
    content = shard.read_bytes()
    for damaged in (content[:-1], content[:5], content[:-25] + b"x" + content[-24:]):
        shard.write_bytes(damaged)
        with pytest.raises(
            StoreError, match=r"cut off, or its list is damaged\. Run `carina pack`"
        ):
            read_entries(shard)


def flip(path: Path, place: int) -> bytes:
    """Changes one byte of a file; gives its content before."""
    content = path.read_bytes()
    changed = bytearray(content)
    changed[place] ^= 0x10
    path.write_bytes(changed)
    return content


def first_shard(store: Path) -> Path:
    return sorted((store / "shards").glob("*.shard"))[0]


def everything(store: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in store.rglob("*") if path.is_file()}


@pytest.mark.parametrize("codec", [RawCodec(), JpegCodec(quality=80)])
def test_number_of_processes_changes_no_byte(items: Items, tmp_path: Path, codec: Codec) -> None:
    for name, processes in (("one", 1), ("two", 2)):
        build_store(items, tmp_path / name, 32, processes, codec=codec)
    assert everything(tmp_path / "one") == everything(tmp_path / "two")


@pytest.mark.parametrize("place", [-1, -20, -40], ids=["magic word", "length", "list"])
def test_damaged_list_is_named_and_mended_without_touching_images(
    items: Items, tmp_path: Path, place: int
) -> None:
    out = tmp_path / "store"
    build_store(items, out, 32, processes=1)
    before = everything(out)
    flip(first_shard(out), place)
    damage = ImageStore.open(out).verify()
    assert damage.images == ()
    assert damage.shards == ((first_shard(out).name, "cut off, or its list is damaged"),)
    assert repair_store(items, out, processes=1).kept == 12
    assert not ImageStore.open(out).verify()
    assert everything(out) == before


def test_cut_off_shard_is_named_and_only_its_lost_images_are_packed_again(
    tmp_path: Path,
) -> None:
    out = tmp_path / "store"
    Image.effect_noise((40, 40), 60).save(tmp_path / "a.png")
    many = [(f"{i:03d}", tmp_path / "a.png") for i in range(130)]  # three to a shard
    build_store(many, out, 16, processes=1)
    assert len(list((out / "shards").iterdir())) == 44
    shard = first_shard(out)
    shard.write_bytes(shard.read_bytes()[:300])  # one image of 16 x 16 is whole
    untouched = {path: path.stat().st_mtime_ns for path in (out / "shards").iterdir()}
    del untouched[shard]
    damage = ImageStore.open(out).verify()
    assert damage.images == ("001", "002")
    assert damage.shards == ((shard.name, "cut off, or its list is damaged"),)
    assert repair_store(many, out, processes=1) == StoreSummary(written=2, kept=128, unreadable=())
    assert not ImageStore.open(out).verify()
    assert all(path.stat().st_mtime_ns == moment for path, moment in untouched.items())


def test_index_that_says_otherwise_than_a_shard_is_named_and_mended(
    items: Items, tmp_path: Path
) -> None:
    out = tmp_path / "store"
    build_store(items, out, 32, processes=1)
    before = everything(out)
    index = pl.read_parquet(out / "index.parquet")
    key, shard = index["key"][0], index["shard"][0]
    wrong = pl.when(pl.col("key") == key).then(pl.col("crc32") ^ 1).otherwise("crc32")
    index.with_columns(wrong.alias("crc32")).write_parquet(out / "index.parquet")
    damage = ImageStore.open(out).verify()
    assert damage.images == (key,)
    assert damage.shards == ((shard, "the index says otherwise than its own list"),)
    assert repair_store(items, out, processes=1).written == 0
    assert everything(out) == before


def test_lost_shard_is_named_by_verify(items: Items, tmp_path: Path) -> None:
    build_store(items, tmp_path / "store", 32, processes=1)
    shard = first_shard(tmp_path / "store")
    shard.unlink()
    damage = ImageStore.open(tmp_path / "store").verify()
    assert damage.shards == ((shard.name, "No such file or directory"),)
    assert len(damage.images) == 1


def test_damaged_jpeg_is_told_when_it_is_read(items: Items, tmp_path: Path) -> None:
    build_store(items, tmp_path / "store", 32, processes=1, codec=JpegCodec())
    store = ImageStore.open(tmp_path / "store")
    key = next(key for key in store.keys if store.shape(key) == (48, 32))
    shards = (tmp_path / "store" / "shards").iterdir()
    flip(next(path for path in shards if key.encode() in path.read_bytes()), 0)
    with pytest.raises(StoreError, match=rf"the image '{key}' is damaged.*--repair"):
        store[key]


def test_file_that_changes_while_it_is_read_is_named(
    items: Items, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shrink = packing.shrink

    def slow(path: Path, size: int) -> object:
        made = shrink(path, size)
        if path == items[2][1]:
            path.write_bytes(path.read_bytes() + b"more")
        return made

    with monkeypatch.context() as patched:
        patched.setattr(packing, "shrink", slow)
        summary = build_store(items, tmp_path / "store", 32, processes=1)
    ((key, message),) = summary.unreadable
    assert key == items[2][0]
    assert "the file changed while it was read" in message
    assert build_store(items, tmp_path / "store", 32, processes=1).written == 1


def test_files_newer_than_their_picture_are_told_and_taken_anew_by_repair(
    items: Items, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    build_store(items, store, 32, processes=1)
    key, path = items[3]
    before = ImageStore.open(store)[key].copy()
    Image.fromarray(255 - np.asarray(Image.open(path))).save(path)
    later = time.time() + 60
    os.utime(path, (later, later))
    summary = build_store(items, store, 32, processes=1)
    assert (summary.written, summary.kept, summary.newer) == (0, 12, (key,))
    np.testing.assert_array_equal(ImageStore.open(store)[key], before)
    os.utime(path)  # the present: what is packed now is newer
    earlier = time.time() - 60
    for shard in (store / "shards").iterdir():
        os.utime(shard, (earlier, earlier))
    for _, other in items:
        if other != path:
            os.utime(other, (earlier - 60, earlier - 60))
    repaired = repair_store(items, store, processes=1)
    assert (repaired.written, repaired.kept, repaired.newer) == (1, 11, ())
    np.testing.assert_allclose(ImageStore.open(store)[key], 255.0 - before, atol=1)
    assert not ImageStore.open(store).verify()


def test_a_told_path_that_changes_while_it_is_read_is_named(
    items: Items, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shrink, (key, path) = packing.shrink, items[0]

    def slow(told: Path, size: int) -> object:
        made = shrink(told, size)
        path.write_bytes(path.read_bytes() + b"more")
        return made

    monkeypatch.setattr(packing, "shrink", slow)
    told = [(key, path.with_name(f"{path.name}#inverted"))]
    with pytest.raises(StoreError, match="the file changed while it was read"):
        build_store(told, tmp_path / "store", 32, processes=1)


@pytest.mark.parametrize("quality", [0, 101])
def test_quality_that_jpeg_does_not_have_is_refused(quality: int) -> None:
    with pytest.raises(ConfigError, match=f"from 1 to 100, got {quality}"):
        JpegCodec(quality=quality)


def test_store_of_another_quality_is_not_touched(items: Items, tmp_path: Path) -> None:
    build_store(items, tmp_path / "store", 32, processes=1, codec=JpegCodec(quality=90))
    with pytest.raises(StoreError, match=r"form jpeg quality 90, asked for were .* quality 80\."):
        build_store(items, tmp_path / "store", 32, processes=1, codec=JpegCodec(quality=80))


def test_header_with_settings_that_its_form_lacks_is_refused(items: Items, tmp_path: Path) -> None:
    build_store(items, tmp_path / "store", 32, processes=1)
    header = tmp_path / "store" / "store.json"
    header.write_text('{"version": 1, "size": 32, "codec": "raw", "quality": 3}')
    with pytest.raises(StoreError, match=r"store\.json cannot be read"):
        ImageStore.open(tmp_path / "store")


def test_more_shards_are_read_than_may_be_open(
    items: Items, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build_store(items, tmp_path / "store", 32, processes=1)
    monkeypatch.setattr(store_module, "MOST_MAPPED", 2)
    store = ImageStore.open(tmp_path / "store")
    images = {key: store[key] for key in store.keys}
    assert store._mapped.cache_info().currsize == 2
    assert all(np.array_equal(images[key], store[key]) for key in store.keys)


def test_store_whose_images_and_files_are_all_lost_is_told(items: Items, tmp_path: Path) -> None:
    out = tmp_path / "store"
    build_store(items, out, 32, processes=1)
    for shard in (out / "shards").iterdir():
        flip(shard, 0)
    for _, path in items:
        path.unlink()
    with pytest.raises(StoreError, match=r"none of 12 images could be read\. The first: .*no such"):
        repair_store(items, out, processes=1)
    with pytest.raises(StoreError, match="the image store holds no image"):
        ImageStore.open(out)


def test_place_that_knows_no_locks_is_told(
    items: Items, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(handle: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with pytest.raises(OutputError, match=r"cannot be written \(No locks available\)"):
        build_store(items, tmp_path / "store", 32, processes=1)
