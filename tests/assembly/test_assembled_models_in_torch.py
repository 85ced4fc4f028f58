"""What the assembler promises about shapes and parameters is what torch finds when it builds the model."""

from typing import Any

import pytest

from assembly.examples import BY_TYPE, VARIANTS, Config
from fumehood.assembly import catalog
from fumehood.assembly.template import assemble, count_parameters
from fumehood.assembly.trace import trace

pytestmark = pytest.mark.runner

CASES = {**BY_TYPE, **VARIANTS}


def build(config: Config) -> Any:
    """The model as the room builds it: the source executed, then ``build_model`` called."""
    shape = tuple(config["input_shape"])
    namespace: dict[str, Any] = {}
    exec(compile(assemble(config), "model.py", "exec"), namespace)
    return namespace["build_model"](shape, trace(config).num_outputs)


def stored_values(model: Any) -> int:
    tensors = list(model.state_dict().values())
    elements, nbytes = sum(t.numel() for t in tensors), sum(t.numel() * t.element_size() for t in tensors)
    return max(int(elements), int(nbytes) // 4)


@pytest.mark.parametrize("name", CASES)
def test_a_model_builds_gives_the_promised_outputs_and_has_the_promised_parameters(name: str) -> None:
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    config = CASES[name]
    model = build(config)
    tokens = config["layers"][0] == "Embedding" or "vocab_size" in config["layers"][0]
    shape = (3, *config["input_shape"])
    inputs = torch.randint(0, 20, shape) if tokens else torch.randn(shape)
    outputs = model(inputs)
    assert outputs.shape == (3, trace(config).num_outputs)
    outputs.sum().backward()
    assert count_parameters(config) == sum(p.numel() for p in model.parameters())
    assert trace(config).stored == stored_values(model)


def test_every_layer_type_has_an_example() -> None:
    assert {kind.name for kind in catalog.TYPES} == set(BY_TYPE)


@pytest.mark.parametrize("name", CASES)
def test_every_line_of_the_forward_pass_states_the_shape_that_torch_finds(name: str) -> None:
    torch = pytest.importorskip("torch")
    config = CASES[name]
    model = build(config)
    seen: dict[str, tuple[int, ...]] = {}

    def note(attribute: str) -> Any:
        def hook(_module: Any, _inputs: Any, output: Any) -> None:
            seen[attribute] = tuple((output[0] if isinstance(output, tuple) else output).shape[1:])

        return hook

    for attribute, child in model.named_children():
        child.register_forward_hook(note(attribute))
    tokens = "vocab_size" in config["layers"][0]
    shape = (2, *config["input_shape"])
    model(torch.randint(0, 20, shape) if tokens else torch.randn(shape))
    source = assemble(config)
    for attribute, found in seen.items():
        stated = next(line for line in source.splitlines() if f"self.{attribute}(" in line and " x = " in line)
        if "[:, -1]" not in stated:  # the line states the last step, the module gives all of them
            assert stated.split("  # ")[1].split(";")[0] == " x ".join(map(str, found))


def test_a_model_refuses_to_be_built_for_another_shape_or_number_of_outputs() -> None:
    pytest.importorskip("torch")
    namespace: dict[str, Any] = {}
    exec(assemble(BY_TYPE["Linear"]), namespace)
    with pytest.raises(ValueError, match="12"):
        namespace["build_model"]((13,), 3)
    with pytest.raises(ValueError, match="3 outputs"):
        namespace["build_model"]((12,), 4)


def test_position_and_class_tokens_are_trained_parameters() -> None:
    pytest.importorskip("torch")
    names = {name for name, _ in build(BY_TYPE["positional_embedding"]).named_parameters()}
    assert "position1.position" in names
    names = {name for name, _ in build(BY_TYPE["cls_token"]).named_parameters()}
    assert "cls1.token" in names
