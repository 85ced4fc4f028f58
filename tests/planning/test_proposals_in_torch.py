"""What the search proposes builds, trains a step and counts as many parameters as promised."""

from typing import Any

import pytest

from fumehood.assembly.template import assemble, count_parameters
from fumehood.planning.search import SearchPlanner
from fumehood_shared.messages import InputKind
from planning.histories import ALL, dataset, goal, noise, run

pytestmark = pytest.mark.runner


@pytest.mark.parametrize("name", ALL)
def test_forty_proposals_build_train_a_step_and_have_the_promised_parameters(name: str) -> None:
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    data, built = ALL[name], set()
    for item in run(SearchPlanner(1), goal(), data, 40, noise(4)):
        namespace: dict[str, Any] = {}
        exec(assemble(item.plan.model_config_, item.plan.recipe), namespace)
        model = namespace["build_model"](data.input_shape, data.num_outputs)
        words = torch.randint(1, data.vocab_size or 2, (2, *data.input_shape))
        outputs = model(torch.randn(2, *data.input_shape) if data.vocab_size is None else words)
        outputs.square().mean().backward()
        assert outputs.shape == (2, data.num_outputs)
        assert all(p.grad is not None for p in model.parameters())
        assert count_parameters(item.plan.model_config_) == sum(p.numel() for p in model.parameters())
        built.add(item.plan.family)
    expected = {
        InputKind.IMAGE: {"cnn", "residual_cnn", "vit", "mixer", "mlp"},
        InputKind.TABULAR: {"mlp", "residual_mlp"},
        InputKind.TOKENS: {"bag_of_words", "text_cnn", "text_transformer"},
    }
    assert built == expected[data.input_kind]


def test_what_stands_behind_a_text_as_padding_changes_no_answer() -> None:
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    short, seen = dataset((12,), 1200, 3, InputKind.TOKENS, vocab_size=50), set()
    words = torch.randint(1, 50, (4, 12))
    for item in run(SearchPlanner(1), goal(), short, 12, noise(4)):
        longer = {**item.plan.model_config_, "input_shape": [20]}
        answers = []
        for config in (item.plan.model_config_, longer):
            namespace: dict[str, Any] = {}
            exec(assemble(config, item.plan.recipe), namespace)
            answers.append(namespace["build_model"]((config["input_shape"][0],), 3).eval())
        state = answers[0].state_dict()
        other = {
            name: torch.cat([state[name], value[:, 12:]], dim=1) if name.endswith("position") else state[name]
            for name, value in answers[1].state_dict().items()
        }
        answers[1].load_state_dict(other)
        if item.plan.family == "text_cnn":  # the border of a text is a padded window in both
            continue
        padded = torch.nn.functional.pad(words, (0, 8))
        with torch.no_grad():
            assert torch.allclose(answers[0](words), answers[1](padded), atol=1e-5)
        seen.add(item.plan.family)
    assert seen == {"bag_of_words", "text_transformer"}
