"""The assembled source: complete, readable, formatted, deterministic, and safe whatever the configuration says."""

import ast
import builtins
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assembly.examples import BY_TYPE, FLAT, IMAGE, VARIANTS, model, on_tokens
from fumehood.assembly import catalog
from fumehood.assembly.errors import AssemblyError
from fumehood.assembly.template import assemble, count_parameters
from fumehood.errors import UsageError
from fumehood_shared.messages import Recipe

pytestmark = pytest.mark.unit

CASES = {**BY_TYPE, **VARIANTS}
RECIPE = {"optimizer": "sgd", "lr": 0.05, "epochs": 7, "augment": ["shift", "mixup"], "mixed_precision": False}
CALLS = {"super", "tuple", "ValueError", "build_model", "activation", "norm", "layer", "range", "Example"}
CALL_ROOTS = ("nn.", "torch.", "self.", "x.", "super().")
BLOCK_CLASSES = {n.name for k in catalog.TYPES for n in ast.walk(ast.parse(k.source)) if isinstance(n, ast.ClassDef)}


def called(source: str) -> set[str]:
    return {ast.unparse(n.func) for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Call)}


def harmless(source: str) -> bool:
    names = called(source)
    return all(n in CALLS | BLOCK_CLASSES or n.startswith(CALL_ROOTS) for n in names)


# ---- what the file says ------------------------------------------------------------------------------------------


def test_the_file_defines_the_class_the_builder_and_the_recipe() -> None:
    tree = ast.parse(assemble(BY_TYPE["Conv2d"], RECIPE))
    classes = [n.name for n in tree.body if isinstance(n, ast.ClassDef)]
    functions = [n.name for n in tree.body if isinstance(n, ast.FunctionDef)]
    recipe = next(n for n in tree.body if isinstance(n, ast.Assign))
    assert classes == ["Example"]
    assert functions == ["build_model"]
    assert ast.unparse(recipe.targets[0]) == "RECIPE"
    assert Recipe.model_validate(ast.literal_eval(recipe.value)) == Recipe(
        optimizer="sgd", lr=0.05, epochs=7, augment=("shift", "mixup"), mixed_precision=False
    )


def test_only_stated_recipe_fields_are_written_so_that_the_defaults_stay_the_trainers() -> None:
    assert "weight_decay" not in assemble(BY_TYPE["Linear"], {"lr": 0.1})
    assert "RECIPE = {}" in assemble(BY_TYPE["Linear"])


def test_a_block_is_written_once_however_often_it_is_used_and_not_where_it_is_not() -> None:
    source = assemble(model(IMAGE, "residual_block", "residual_block"))
    assert source.count("class ResidualBlock(") == 1
    assert "class SqueezeExcite(" not in source


@pytest.mark.parametrize("name", CASES)
def test_the_source_is_formatted_and_harmless(name: str, tmp_path: Path) -> None:
    source = assemble(CASES[name], RECIPE, title="A title", rationale="Because. " * 30)
    assert harmless(source)
    assert max(map(len, source.splitlines())) <= 120
    assert source == assemble(CASES[name], RECIPE, title="A title", rationale="Because. " * 30)


def test_ruff_would_not_change_any_of_the_files(tmp_path: Path) -> None:
    for number, config in enumerate(CASES.values()):
        source = assemble(config, RECIPE, title='He said "no" \\', rationale="Because. " * 30)
        (tmp_path / f"model_{number}.py").write_text(source, encoding="utf-8")
    run = subprocess.run(
        [sys.executable, "-m", "ruff", "format", "--isolated", "--line-length", "120", "--diff", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout[:4000] + run.stderr[:1000]


def test_what_the_assembler_changed_is_said_in_the_file() -> None:
    assert "Layer 3, Softmax, is left out" in assemble(VARIANTS["trailing softmax"])
    assert "added: the output layer" in assemble(VARIANTS["no head, image"])
    assert "flattened for Linear" in assemble(VARIANTS["dense on an image"])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"type": "dense", "units": 9}, {"type": "Linear", "out_features": 9}),
        ({"type": "nn.Linear", "in_features": 256, "out": 9}, {"type": "fc", "params": {"units": 9.0}}),
        (
            {"type": "conv2d", "filters": 5, "kernel": 5, "pad": 2},
            {"type": "Conv2d", "in_channels": 4, "out_channels": 5, "kernel_size": 5, "padding": 2},
        ),
        ("batch_norm", {"type": "BatchNorm2d", "num_features": 4}),
        ({"type": "max-pool", "size": 2}, "MaxPool2d"),
        ({"type": "dropout", "rate": 0.25, "name": "d"}, {"type": "Dropout", "p": 0.25, "inplace": True}),
    ],
)
def test_torchs_names_and_friendly_names_give_the_same_model(one: Any, other: Any) -> None:
    assert assemble(model(IMAGE, one)) == assemble(model(IMAGE, other))


# ---- what is refused ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (model(FLAT, {"type": "Lineer"}), ["Layer 1", "Lineer", "nearest known type is Linear"]),
        (model(FLAT, "ReLU", {"type": "Linear", "in_features": 7, "out_features": 3}), ["Layer 2", "7", "expected 12"]),
        (model(IMAGE, {"type": "Conv2d", "in_channels": 3, "filters": 5}), ["Layer 1 (Conv2d)", "in_channels", "4"]),
        (model(IMAGE, {"type": "Conv2d", "filterz": 5}), ["Layer 1 (Conv2d)", "filterz", "perhaps filters"]),
        (model(IMAGE, {"type": "Conv2d"}), ["Layer 1 (Conv2d)", "out_channels is missing"]),
        (model(IMAGE, {"type": "Conv2d", "out": 4, "kernel": 11}), ["window of 11", "length of 8"]),
        (model(FLAT, {"type": "Conv2d", "out": 4}), ["expected channels x height x width", "12 features"]),
        (model(IMAGE, {"type": "dense", "in_features": 99, "units": 4}), ["Layer 1 (Linear)", "99", "expected 256"]),
        (on_tokens({"type": "transformer_block", "heads": 3}), ["Layer 2", "3 heads", "8 features"]),
        (on_tokens("BatchNorm1d"), ["Layer 2", "16 tokens of 8 features"]),
        (model(IMAGE, {"type": "patch_embed", "width": 4, "patch": 3}), ["patch_size 3 does not divide 8 x 8"]),
        (model(FLAT, {"type": "Dropout", "p": 1.5}), ["Layer 1 (Dropout)", "p:", "1.5"]),
        (model(FLAT, {"type": "Dropout", "p": float("nan")}), ["Layer 1 (Dropout)", "nan"]),
        (model(FLAT, {"type": "Linear", "out_features": True}), ["out_features", "True"]),
        (model(FLAT, {"type": "Linear", "out_features": "64); import os"}), ["out_features", "whole number"]),
        (model(FLAT, {"type": "Linear", "out_features": 10**12}), ["out_features", "1000000000000"]),
        (model(FLAT, {"type": "Linear", "out_features": 10**6000}), ["out_features", "too large to show"]),
        (model(FLAT, {"type": "Linear", "units": 3, "out": 3}), ["given twice"]),
        (model(FLAT, {"type": "Linear", "out_features": -1}), ["from 1"]),
        (model(FLAT, *["ReLU"] * 10_000), ["10002 layers", "at most 400"]),
        (model(FLAT, *[{"type": "Linear", "out_features": 131_072}] * 2), ["Layer 2", "parameters"]),
        (model([2048, 1024, 1024]), ["input_shape"]),
        (model([1, 0]), ["input_shape", "0"]),
        (model(FLAT, {"no": "type"}), ["Layer 1", "expected a mapping with a type"]),
        (model(FLAT, None), ["Layer 1"]),
        (model(FLAT, "Embedding"), ["num_embeddings is missing"]),
        (model(FLAT, "ReLU", {"type": "Embedding", "vocab_size": 4, "dim": 4}), ["Layer 2", "must be the first layer"]),
        (model(FLAT, "GLU", "GLU", "GLU"), ["Layer 3 (GLU)", "odd"]),
        ({**model(FLAT), "layers": []}, ["layers"]),
        ({**model(FLAT), "layers": "Linear"}, ["layers"]),
        ({**model(FLAT), "layers": ["softmax"]}, ["alone is no model"]),
        ({**model(FLAT), "num_outputs": 0}, ["num_outputs"]),
        ({**model(FLAT), "surprise": 1}, ["surprise"]),
        ({**model(FLAT), "layers": [{"type": "Linear", "out_features": 5}]}, ["gives 5", "expected num_outputs, 3"]),
        ({"class_name": "A", "input_shape": IMAGE, "layers": ["ReLU"]}, ["Layer 1 (ReLU)", "4 x 8 x 8"]),
        (None, ["expected a mapping"]),
    ],
)
def test_what_does_not_fit_is_refused_and_the_layer_named(config: Any, said: list[str]) -> None:
    with pytest.raises(AssemblyError) as caught:
        assemble(config)
    assert all(part in caught.value.what for part in said), caught.value.what


def test_an_unknown_type_lists_what_is_known() -> None:
    with pytest.raises(UsageError) as caught:
        assemble(model(FLAT, {"type": "Quux"}))
    assert all(kind.name in caught.value.hint for kind in catalog.TYPES)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "1A",
        "class",
        "match",
        "None",
        "A B",
        "A;import os",
        "A\nB",
        "A(nn.Module): pass\n#",
        "Modèle",
        "nn",
        "a" * 65,
        "build_model",
        "ResidualBlock",
        "__init__",
        7,
        None,
        ["A"],
        "ValueError",
        "Tensor",
    ],
)
def test_a_class_name_that_is_no_plain_name_is_refused(name: Any) -> None:
    with pytest.raises(AssemblyError, match="class_name"):
        assemble({**model(FLAT), "class_name": name})


@pytest.mark.parametrize(
    "recipe", [{"lr": "0.1; import os"}, {"lrate": 0.1}, {"lr": float("inf")}, {"augment": ["evil"]}, {"epochs": 0}]
)
def test_a_recipe_field_that_is_not_the_wire_formats_is_refused(recipe: dict[str, Any]) -> None:
    with pytest.raises(AssemblyError, match=f"Recipe field {next(iter(recipe))}"):
        assemble(model(FLAT), recipe)


# ---- what nobody can smuggle in ----------------------------------------------------------------------------------

HOSTILE = st.one_of(
    st.text(),
    st.sampled_from(
        ['"""', '\\"""', "'''", '"""\nimport os\n"""', "\\", "\\\\", '"', "\r\n#", "\x00", "\u2028", "\ud800"]
    ),
    st.text(alphabet="\"\\\n\r'x "),
)


@given(title=HOSTILE, rationale=st.lists(HOSTILE, max_size=4).map("".join))
@settings(max_examples=300)
def test_no_title_or_rationale_breaks_out_of_the_docstring(title: str, rationale: str) -> None:
    source = assemble(BY_TYPE["Linear"], title=title, rationale=rationale)
    tree = ast.parse(source)
    quiet = ast.parse(assemble(BY_TYPE["Linear"]))
    assert isinstance(tree.body[0], ast.Expr)
    assert [ast.dump(n) for n in tree.body[1:]] == [ast.dump(n) for n in quiet.body[1:]]
    source.encode("utf-8")


VALUES = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-4, 70), st.integers(), st.floats(), HOSTILE,
        st.sampled_from(["same", "zeros", "relu", "batch", "nearest"]),
    ),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=2),
    max_leaves=6,
)  # fmt: skip
SETTINGS = sorted({n for kind in catalog.TYPES for a in kind.arguments for n in (a.name, *a.aliases)})


@st.composite
def layers(draw: st.DrawFn) -> Any:
    kind = draw(st.sampled_from(catalog.TYPES))
    names = [n for a in kind.arguments for n in (a.name, *a.aliases)] or SETTINGS
    given_settings = draw(st.dictionaries(st.sampled_from(names), st.integers(1, 8) | VALUES, max_size=3))
    return draw(st.sampled_from([{"type": kind.name, **given_settings}, kind.name, *kind.aliases]) | VALUES)


@given(
    config=st.fixed_dictionaries(
        {
            "class_name": st.sampled_from(["Example", "Example", "Example"]) | HOSTILE,
            "input_shape": st.sampled_from([[12], [4, 12], [4, 8, 8]]) | VALUES,
            "num_outputs": st.integers(1, 5) | VALUES,
            "layers": st.lists(layers(), max_size=5) | VALUES,
        }
    ),
    recipe=st.dictionaries(st.sampled_from(sorted(Recipe.model_fields)) | st.text(max_size=5), VALUES, max_size=2),
)
@pytest.mark.slow
@settings(max_examples=600)
def test_any_configuration_gives_harmless_source_or_an_assembly_error(config: Any, recipe: Any) -> None:
    try:
        source = assemble(config, recipe)
    except AssemblyError as error:
        refusal = error.what
    else:
        refusal = ""
    assert refusal.isprintable()
    if refusal:
        return
    assert harmless(source) or config["class_name"] in called(source)
    names = {n.id for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Name)}
    assert not names & (set(dir(builtins)) - {"super", "tuple", "ValueError", "int", "float", "type", "None"})
    assert count_parameters(config) >= 0
