"""Images through real rooms: a folder of them from goal to prediction, and a public set from its own files."""

import csv
import hashlib
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from fakes import image_files
from fumehood.journal import fold, read
from integration.lab import fumehood_cli

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(400)]

FEW = ("--max-iterations", "1", "--num-seeds", "2", "--json")


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Digits as PNG files by class, one of them damaged, and a run on them."""
    folder, (images, labels) = tmp_path_factory.mktemp("digits"), load_digits(return_X_y=True)
    values = (images.reshape(-1, 8, 8) * 15).astype(np.uint8)
    files = {f"{label}/{i:04d}.png": image_files.encoded(values[i]) for i, label in enumerate(labels)}
    root = image_files.write_folder(folder / "pictures", {**files, "3/0000.png": b"damaged"})
    done = fumehood_cli("run", "--goal", "Classify digits", "--data", f"imagefolder:{root}",
                        *FEW, "--workdir", str(folder / "run"))  # fmt: skip
    assert done.returncode == 0, done.stderr
    return root, folder / "run"


def test_a_folder_of_images_is_learnt_from(digits: tuple[Path, Path]) -> None:
    run = fold(read(digits[1] / "journal.jsonl")).run
    assert run.dataset is not None
    assert run.dataset.input_shape == (1, 8, 8)
    assert run.dataset.facts.rows == 1797
    assert any("3/0000.png" in note for note in run.dataset.facts.notes)
    assert run.final is not None
    assert run.final.score.primary.mean > 0.9


def test_new_images_are_predicted_in_the_order_of_their_names(digits: tuple[Path, Path], tmp_path: Path) -> None:
    root, run = digits
    some = [path for label in "0347" for path in sorted((root / label).glob("*.png"))[1:6]]
    new = image_files.write_folder(tmp_path / "new", {f"{i:02d}.png": p.read_bytes() for i, p in enumerate(some)})
    done = fumehood_cli("predict", str(run), "--data", f"imagefolder:{new}", "--output", str(tmp_path / "out.csv"))
    assert done.returncode == 0, done.stderr
    with (tmp_path / "out.csv").open(newline="") as file:
        answers = [row["class"] for row in csv.DictReader(file)]
    assert len(answers) == 20
    assert sum(a == p.parent.name for a, p in zip(answers, some, strict=True)) >= 18


def test_a_changed_image_is_seen_by_an_audit(digits: tuple[Path, Path]) -> None:
    root, run = digits
    assert fumehood_cli("audit", str(run)).returncode == 0
    image = next((root / "5").glob("*.png"))
    before = image.read_bytes()
    try:
        image.write_bytes(before + b"\0")
        assert "is another one today" in fumehood_cli("audit", str(run), "--json").stdout
    finally:
        image.write_bytes(before)


def test_pickled_batches_are_read_in_the_room(tmp_path: Path) -> None:
    files = image_files.cifar10([image_files.pixels(20, 3072, seed=i) for i in range(5)], image_files.pixels(20, 3072))
    image_files.write_folder(tmp_path / "data/cifar10", files)
    ((name, content),) = files.items()
    (tmp_path / "catalogue.toml").write_text(f"""[[sets]]
name = "cifar10"
format = "cifar10"
shape = [3, 32, 32]
rows = 120
megabytes = 1
summary = "Small."
citation = "Nobody."
mirrors = ["http://127.0.0.1:9/"]
files = [{{ name = "{name}", sha256 = "{hashlib.sha256(content).hexdigest()}" }}]
""")
    done = fumehood_cli("data", "describe", "cifar10", FUMEHOOD_DATA_DIR=str(tmp_path / "data"),
                        FUMEHOOD_DATA_CATALOG=str(tmp_path / "catalogue.toml"))  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "80 train, 20 validation, 20 test" in done.stdout
    assert "airplane: 12 rows" in done.stdout
