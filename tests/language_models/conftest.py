"""Tokenizers of characters, with a chat template and without."""

import pytest
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from tests.characters import save_character_model


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> PreTrainedTokenizerBase:
    return AutoTokenizer.from_pretrained(save_character_model(tmp_path_factory.mktemp("plain")))


@pytest.fixture(scope="session")
def chat(tmp_path_factory: pytest.TempPathFactory) -> PreTrainedTokenizerBase:
    return AutoTokenizer.from_pretrained(save_character_model(tmp_path_factory.mktemp("chat"), chat=True))
