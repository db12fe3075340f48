from dataclasses import replace

import pytest

from patentlab.config import RequestError
from patentlab.console.command_line import compose
from patentlab.sweep.exclusion import is_excluded


@pytest.mark.parametrize(
    ("expression", "excluded"),
    [
        ("model == 'minilm'", True),
        ("model == 'minilm' and mix == 1", False),
        ("mix < 0.5 or seed > 3", True),
        ("regime in ['1:10', '1:100']", True),
        ("not (regime == '1:10')", False),
        ("trainer.max_steps == 7", True),
        ("mix.max_documents > 1 and data.split.test > 0", True),
        ("adapter == 'full' and head.pooling == 'last'", False),
    ],
)
def test_an_expression_knows_choices_and_settings(expression: str, excluded: bool):
    config = compose("model=minilm", "mix=0.2", "regime=1:10", "trainer.max_steps=7")
    assert is_excluded(replace(config, exclude=expression)) is excluded
    assert not is_excluded(config)


@pytest.mark.parametrize(
    "expression",
    ["modle == 1", "model ==", "mix < 'a'", "seed", "open('/etc/passwd')", "model.__class__ == 1", "1/0 > 1"],
)
def test_what_cannot_be_read_is_told_in_one_line(expression: str):
    with pytest.raises(RequestError) as told:
        is_excluded(replace(compose(), exclude=expression))
    assert len(told.value.problems) == 1
    assert f"exclude={expression}: " in told.value.problems[0]
