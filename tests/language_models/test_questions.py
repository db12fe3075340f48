"""Wording → tokens: with a chat template and without, examples before the document."""

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers
from transformers import AutoTokenizer, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from patentlab.corpus import LabelSpace
from patentlab.language_models.questions import Shot, answer_tokens, compose_question

LABELS = LabelSpace(
    ("G06T", "G06V", "H04N"),
    {"G06T": "Image data processing, in general", "G06V": "Image recognition", "H04N": "PICTORIAL COMMUNICATION"},
)


def test_a_model_without_a_chat_template_continues_a_text(plain: PreTrainedTokenizerBase):
    question = compose_question(plain, "Choose:\nX\nY", "Text: {text}", "Answer:", [Shot("one", "", "X")])
    assert not question.chat
    assert plain.decode(question.prefix) == "Choose:\nX\nY\n\nText: one\nAnswer: X\n\nText:" and question.space == " "
    assert plain.decode(question.middle) == "\nAnswer:"
    assert plain.decode(answer_tokens(plain, question, "Y")) == " Y<end>"


def test_a_chat_model_has_turns(chat: PreTrainedTokenizerBase):
    question = compose_question(chat, "Choose.", "Text: {text}", "Answer.", [Shot("one", "", "X")])
    assert question.chat
    assert chat.decode(question.prefix) == "<u>Choose.\n\nText: one\nAnswer.<end><a>X<end><u>Text:"
    assert chat.decode(question.middle) == "\nAnswer.<end><a>"
    assert chat.decode(answer_tokens(chat, question, "Y")) == "Y<end>"
    assert question.around == len(question.prefix) + len(question.middle)


def test_each_label_may_have_a_question_of_its_own(chat: PreTrainedTokenizerBase):
    shots = [Shot("one", "Is it X?", "No")]
    question = compose_question(chat, "Say.", "Text: {text}", "", shots, ["Is it X?", "Is it YY?"])
    assert chat.decode(question.prefix) == "<u>Say.\n\nText: one\nIs it X?<end><a>No<end><u>Text:"
    assert chat.decode(question.middle) == "\n"
    assert [chat.decode(one) for one in question.questions] == ["Is it X?<end><a>", "Is it YY?<end><a>"]
    assert question.around == len(question.prefix) + len(question.middle) + len(question.questions[1])


def test_a_document_that_looks_like_a_template_changes_nothing(chat: PreTrainedTokenizerBase):
    # a document is no part of what is composed
    question = compose_question(chat, "Choose {text}.", "Text: {text}", "", [Shot("{text}", "", "{label}")])
    assert chat.decode(question.prefix) == "<u>Choose {text}.\n\nText: {text}<end><a>{label}<end><u>Text:"


def test_the_embedded_models_own_template_is_used():
    from patentlab.protocols import Silent
    from patentlab.weights import resolve

    tokenizer = AutoTokenizer.from_pretrained(resolve("embedded:smollm2_135m", Silent(), "model.path"))
    question = compose_question(tokenizer, "Choose.", "Text: {text}", "")
    assert tokenizer.decode(question.middle) == "<|im_end|>\n<|im_start|>assistant\n"
    assert question.end == tokenizer.convert_tokens_to_ids("<|im_end|>")
    # as one text the tokens are the same: nothing is glued together where the parts meet
    whole = f"{tokenizer.decode(question.prefix)} a wheel{tokenizer.decode(question.middle)}"
    parts = [
        *question.prefix,
        *tokenizer(question.space + "a wheel", add_special_tokens=False)["input_ids"],
        *question.middle,
    ]
    assert parts == tokenizer(whole, add_special_tokens=False)["input_ids"]


def test_parts_are_tokenised_as_within_a_text():
    """A tokenizer of SentencePiece's kind puts a space before whatever it is given."""
    raw = Tokenizer(models.WordLevel({one: at for at, one in enumerate(["<unk>", "<end>", "▁", *"abAB:?\n"])}, "<unk>"))
    raw.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Metaspace(prepend_scheme="always"), pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")]
    )
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw, unk_token="<unk>", eos_token="<end>")  # type: ignore[no-untyped-call]
    question = compose_question(tokenizer, "a", "b: {text}", "a?")
    assert tokenizer.convert_ids_to_tokens(question.middle) == ["\n", "a", "?"]
    assert tokenizer.convert_ids_to_tokens(answer_tokens(tokenizer, question, "A")) == ["▁", "A", "<end>"]


def test_a_prompt_does_not_change_with_the_day(chat: PreTrainedTokenizerBase):
    template = chat.chat_template
    try:
        chat.chat_template = "{% if not date_string is defined %}{{ 1 / 0 }}{% endif %}" + str(template)
        assert chat.decode(compose_question(chat, "Choose.", "{text}", "").prefix) == "<u>Choose.\n\n"
    finally:
        chat.chat_template = template


def test_a_document_has_one_space_before_it_where_the_tokenizer_puts_it():
    """As Llama 2 does it, by normalising."""
    raw = Tokenizer(models.WordLevel({one: at for at, one in enumerate(["<unk>", "<end>", "▁", *"abx:?\n"])}, "<unk>"))
    raw.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    raw.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw, unk_token="<unk>", eos_token="<end>")  # type: ignore[no-untyped-call]
    question = compose_question(tokenizer, "a", "b: {text}", "a?")
    document = tokenizer(question.space + "x", add_special_tokens=False)["input_ids"]
    assert tokenizer.convert_ids_to_tokens([*question.prefix[-2:], *document]) == ["b", ":", "▁", "x"]
