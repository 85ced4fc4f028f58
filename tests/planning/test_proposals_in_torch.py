"""What the search proposes builds, trains a step and counts as many parameters as promised."""

from typing import Any

import pytest

from fumehood.assembly.template import assemble, count_parameters
from fumehood.planning.search import SearchPlanner
from planning.histories import ALL, goal, noise, run

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
        outputs = model(torch.randn(2, *data.input_shape))
        outputs.square().mean().backward()
        assert outputs.shape == (2, data.num_outputs)
        assert all(p.grad is not None for p in model.parameters())
        assert count_parameters(item.plan.model_config_) == sum(p.numel() for p in model.parameters())
        built.add(item.plan.family)
    assert built == (
        {"cnn", "residual_cnn", "vit", "mixer", "mlp"} if len(data.input_shape) == 3 else {"mlp", "residual_mlp"}
    )
