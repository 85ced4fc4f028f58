"""``assemble_from_config``: who wrote the file, how often was asked, and why the template was used."""

import pytest

from fakes.scripted_model import Answer, ScriptedModel
from fumehood.assembly.errors import AssemblyError
from fumehood.assembly.from_config import assemble_from_config
from fumehood.assembly.template import assemble
from fumehood.errors import LlmError, UsageError

pytestmark = pytest.mark.unit

CONFIG = {
    "class_name": "SmallNet",
    "input_shape": [1, 8, 8],
    "num_outputs": 10,
    "layers": [{"type": "Flatten"}, {"type": "Linear", "out_features": 10}],
}
WRITTEN = "```python\nfrom torch import nn\n\n\nclass SmallNet(nn.Module):\n    pass\n```"


def scripted(*answers: Answer) -> tuple[ScriptedModel, dict]:
    model, given = ScriptedModel(answers), {}

    def factory(kwargs):
        given.update(kwargs)
        return model

    return model, {"factory": factory, "given": given}


def test_without_a_configured_model_the_template_writes_and_says_why(tmp_path):
    found = assemble_from_config(CONFIG, tmp_path / "new" / "model.py")
    assert found == {
        "path": str(tmp_path / "new" / "model.py"),
        "via": "template",
        "source": assemble(CONFIG),
        "attempts": 0,
        "reason": "no language model is configured",
    }
    assert (tmp_path / "new" / "model.py").read_text() == assemble(CONFIG)


def test_a_configured_model_writes_the_file_and_is_told_the_words_beside_the_layers(tmp_path):
    model, play = scripted(WRITTEN)
    asked = {"model_name": "m", "base_url": "http://localhost:1"}
    found = assemble_from_config(
        {**CONFIG, "architecture": "keep it small"}, tmp_path / "m.py", llm_kwargs=asked, factory=play["factory"]
    )
    assert (found["via"], found["attempts"], found["reason"]) == ("llm", 1, "")
    assert found["source"] == (tmp_path / "m.py").read_text() == WRITTEN[10:-3]
    assert play["given"] == asked
    assert "keep it small" in model.told()


def test_a_file_without_the_class_of_the_configuration_is_asked_for_again(tmp_path):
    model, play = scripted(WRITTEN.replace("SmallNet", "Net"), WRITTEN)
    found = assemble_from_config(CONFIG, tmp_path / "m.py", factory=play["factory"])
    assert (found["via"], found["attempts"]) == ("llm", 2)
    assert "no class named SmallNet" in model.told()


def test_after_two_useless_answers_the_template_writes_and_says_why(tmp_path):
    _, play = scripted("I will not.", "I will not.")
    found = assemble_from_config(CONFIG, tmp_path / "m.py", factory=play["factory"])
    assert (found["via"], found["attempts"], found["source"]) == ("template", 2, assemble(CONFIG))
    assert "not Python" in found["reason"]


def test_a_model_that_is_not_asked_for_is_not_asked(tmp_path):
    model, play = scripted(WRITTEN)
    found = assemble_from_config(CONFIG, tmp_path / "m.py", use_llm=False, factory=play["factory"])
    assert (found["via"], found["reason"]) == ("template", "use_llm is False")
    assert model.questions == []


def test_troubles_are_told_and_leave_no_file(tmp_path):
    _, dead = scripted(LlmError("nothing answers"))
    with pytest.raises(LlmError):
        assemble_from_config(CONFIG, tmp_path / "m.py", factory=dead["factory"])
    with pytest.raises(AssemblyError):
        assemble_from_config({"architecture": "words only"}, tmp_path / "m.py")
    assert not (tmp_path / "m.py").exists()
    with pytest.raises(UsageError, match="cannot be written"):
        assemble_from_config(CONFIG, tmp_path)
