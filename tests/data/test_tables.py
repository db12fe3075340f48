"""JSON lines, delimited tables and datasets: the same documents from each, and what broken ones get."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patentlab.config import RequestError
from patentlab.console.command_line import compose
from patentlab.corpus import Corpus
from patentlab.data.sources import data_fingerprint, read_corpus
from patentlab.data.sources.rows import fill, template_fields
from patentlab.data.splits import split_corpus

ROWS = [
    {"id": "p1", "title": "Wheel", "abstract": 'A "round", wheel;\nwith a rim.', "labels": ["B60B", "A61G"],
     "day": "2001-02-03"},
    {"id": "p2", "title": "Lens", "abstract": "Ein Glas für Brillen.", "labels": ["G02C"], "day": "2002-02-03"},
    {"id": "p3", "title": "Brake", "abstract": "A brake.", "labels": ["B60T", "B60B"], "day": "2003-02-03"},
    {"id": "p4", "title": "Nothing", "abstract": "No label.", "labels": [], "day": "2004-02-03"},
]  # fmt: skip
COLUMNS = ["data.text='{title}. {abstract}'", "data.id=id", "data.date=day"]


def write_jsonl(folder: Path) -> list[str]:
    path = folder / "patents.jsonl"
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in ROWS) + "\n\n", encoding="utf-8")
    return ["data=jsonl", f"data.path={path}"]


def write_csv(folder: Path) -> list[str]:
    path = folder / "patents.csv"
    with path.open("w", encoding="utf-8-sig", newline="") as file:  # as spreadsheets write it
        writer = csv.DictWriter(file, list(ROWS[0]))
        writer.writeheader()
        writer.writerows({**row, "labels": "; ".join(row["labels"])} for row in ROWS)
    return ["data=csv", f"data.path={path}"]


def write_tabs_in_latin(folder: Path) -> list[str]:
    path = folder / "patents.tsv"
    with path.open("w", encoding="cp1252", newline="") as file:
        writer = csv.DictWriter(file, list(ROWS[0]), delimiter="\t")
        writer.writeheader()
        writer.writerows({**row, "labels": "|".join(row["labels"])} for row in ROWS)
    return ["data=csv", f"data.path={path}", r"data.delimiter=\t", "data.separator='|'", "data.encoding=cp1252"]


def write_wide(folder: Path) -> list[str]:
    path = folder / "patents.csv"
    path.write_bytes((folder / write_csv(folder)[1].rpartition("/")[2]).read_text("utf-8-sig").encode("utf-16"))
    return ["data=csv", f"data.path={path}", "data.encoding=utf-16"]


def save_dataset(folder: Path) -> list[str]:
    from datasets import Dataset

    Dataset.from_list(ROWS).save_to_disk(folder / "saved")
    return ["data=hub", f"data.path={folder / 'saved'}", "data.split.method=stratified"]


FORMATS = [write_jsonl, write_csv, write_tabs_in_latin, write_wide, save_dataset]


def read(*overrides: str) -> Corpus:
    return read_corpus(compose(*overrides).data)


@pytest.mark.parametrize("write", FORMATS)
def test_every_format_gives_the_same_documents(write: Callable[[Path], list[str]], tmp_path: Path):
    corpus = read(*write(tmp_path), *COLUMNS)
    assert [document.id for document in corpus.documents] == ["p1", "p2", "p3"]
    first, second = corpus.documents[:2]
    assert first.text == 'Wheel. A "round", wheel;\nwith a rim.'
    assert (first.labels, first.date) == (("B60B", "A61G"), "2001-02-03")
    assert second.text == "Lens. Ein Glas für Brillen."
    assert corpus.labels.names == ("A61G", "B60B", "B60T", "G02C")
    assert corpus.dropped == {"rows_skipped": 0, "labels_dropped": 0, "documents_without_label": 1}


@pytest.mark.parametrize("write", FORMATS[:2])
def test_settings_choose_text_labels_and_size(write: Callable[[Path], list[str]], tmp_path: Path):
    request = write(tmp_path)
    assert read(*request, "data.text=abstract").documents[2].text == "A brake."
    assert read(*request, "data.text=abstract", "data.task=single_label").documents[0].labels == ("B60B",)
    assert read(*request, "data.text=abstract", "data.keep_labels=[B60T,A61G,G02C]").labels.names == (
        "A61G",
        "B60T",
        "G02C",
    )
    with pytest.raises(RequestError, match="1 labels and 1 documents are left, too few"):
        read(*request, "data.text=abstract", "data.size=1", "data.task=single_label")
    with pytest.raises(RequestError, match="1 labels and 2 documents are left, too few"):
        read(*request, "data.text=abstract", "data.min_count=2")
    with pytest.raises(RequestError, match=r"no document has the label B60X \(did you mean B60T or B60B\?\)"):
        read(*request, "data.text=abstract", "data.keep_labels=[B60X,G02C]")


def test_what_a_file_is_called_does_not_change_documents_and_a_byte_does(tmp_path: Path):
    request = write_jsonl(tmp_path)
    moved = tmp_path / "other.jsonl"
    moved.write_bytes((tmp_path / "patents.jsonl").read_bytes())
    other = ["data=jsonl", f"data.path={moved}"]
    assert read(*request, "data.text=title") == read(*other, "data.text=title")
    before = data_fingerprint(compose(*request).data)
    assert before == data_fingerprint(compose(*other).data)
    moved.write_bytes(moved.read_bytes().replace(b"Wheel", b"Wheal"))
    assert before != data_fingerprint(compose(*other).data)


def hub_folder(folder: Path) -> Path:
    from datasets import ClassLabel, Dataset, DatasetDict, Features, Sequence, Value

    features = Features({"text": Value("string"), "labels": Sequence(ClassLabel(names=["wheel", "lens"]))})
    sets = {
        name: Dataset.from_dict(
            {"text": [f"{name} {i} " + "x" * i for i in range(n)], "labels": [[i % 2] for i in range(n)]}, features
        )
        for name, n in (("train", 20), ("validation", 6), ("test", 8))
    }
    DatasetDict(sets).save_to_disk(folder)
    return folder


def test_a_datasets_class_numbers_become_names_and_its_sets_are_kept(tmp_path: Path):
    config = compose("data=hub", f"data.path={hub_folder(tmp_path / 'set')}").data
    corpus = read_corpus(config)
    assert corpus.labels.names == ("lens", "wheel")
    split = split_corpus(corpus, config.split, 0)
    assert [len(split.pool), len(split.validation), len(split.test)] == [20, 6, 8]
    assert all(document.text.startswith("test") for document in split.test)
    assert [document.labels for document in split.pool[:2]] == [("wheel",), ("lens",)]


def test_a_folder_of_data_files_is_a_dataset(tmp_path: Path):
    for name, count in (("train", 12), ("test", 6)):
        rows = [{"text": f"{name} {number}", "labels": ["a", "b"][number % 2]} for number in range(count)]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    config = compose("data=hub", f"data.path={tmp_path}", "data.split.validation=0.25").data
    split = split_corpus(read_corpus(config), config.split, 0)
    assert [len(split.pool), len(split.validation), len(split.test)] == [9, 3, 6]
    before = data_fingerprint(config)
    with (tmp_path / "test.jsonl").open("a") as file:
        file.write("\n")
    assert data_fingerprint(config) != before


BAD_LINES = {
    '{"text": "a", "labels": ["x"]': "not JSON (Expecting ',' delimiter at column",
    '["text"]': "not a JSON object",
    '{"labels": ["x"]}': "no field text; found labels",
    '{"text": "a"}': "no field labels; found text",
    '{"text": 7, "labels": ["x"]}': "text is no text but int: 7",
    '{"text": "  ", "labels": ["x"]}': "no text: text is empty",
    '{"text": null, "labels": ["x"]}': "no text: text is empty",
    '{"text": "a", "labels": {"x": 1}}': "labels is neither a label nor a list of labels",
    '{"text": "a", "labels": [["x"]]}': "labels: a label is neither text nor a whole number: ['x']",
    '{"text": "half \\ud83d", "labels": ["x"]}': "text has half a character (a lone surrogate) at 5",
    '{"text": "a", "labels": ' + "9" * 5000 + "}": "not JSON that can be read",
    '{"text": "a", "labels": 0.5}': "labels is neither a label nor a list of labels: 0.5",
}


@pytest.mark.parametrize(("line", "message"), BAD_LINES.items())
def test_a_bad_line_is_named_or_skipped_and_counted(tmp_path: Path, line: str, message: str):
    good = ['{"text": "a", "labels": ["x"]}', '{"text": "b", "labels": "y"}', '{"text": "c", "labels": [3]}']
    path = tmp_path / "data.jsonl"
    path.write_text("\n".join([*good[:2], line, good[2]]))
    with pytest.raises(RequestError) as raised:
        read("data=jsonl", f"data.path={path}")
    assert len(raised.value.problems) == 1
    assert str(raised.value).startswith(f"{path}:3: {message}")
    corpus = read("data=jsonl", f"data.path={path}", "data.on_bad_row=skip")
    assert [document.id for document in corpus.documents] == ["1", "2", "4"]
    assert corpus.labels.names == ("3", "x", "y")
    assert corpus.dropped["rows_skipped"] == 1


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf_16", "utf-8-sig"])
def test_only_line_ends_end_a_line(tmp_path: Path, encoding: str):
    # characters that Python's splitlines takes for line ends stand in real abstracts
    rows = [{"text": f"one\u2028two\x0bthree\x85{n}", "labels": ["a", "b"][n % 2]} for n in range(4)]
    path = tmp_path / "data.jsonl"
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), encoding=encoding)
    corpus = read("data=jsonl", f"data.path={path}", f"data.encoding={encoding}")
    assert [document.text for document in corpus.documents] == [row["text"] for row in rows]


def test_many_bad_lines_are_told_together(tmp_path: Path):
    path = tmp_path / "data.jsonl"
    path.write_text("{}\n" * 12)
    for policy in ("error", "skip"):  # nothing but bad rows is an error under any policy
        with pytest.raises(RequestError) as raised:
            read("data=jsonl", f"data.path={path}", f"data.on_bad_row={policy}")
        assert len(raised.value.problems) == 6
        assert raised.value.problems[-1] == "and 7 more bad rows; data.on_bad_row=skip leaves them out"


def test_rows_of_a_table_are_named_by_the_line_that_they_begin_on(tmp_path: Path):
    path = tmp_path / "data.csv"
    path.write_bytes(b'text,labels\n"two\nlines",x\na,b,c\nb\xffd,y\nmiddle,y\nlast,y\n')
    with pytest.raises(RequestError) as raised:
        read("data=csv", f"data.path={path}")
    assert raised.value.problems == (
        f"{path}:4: 3 columns, the header has 2",
        f"{path}:5: not utf-8 at byte 2 of the line; set data.encoding",
    )
    corpus = read("data=csv", f"data.path={path}", "data.on_bad_row=skip")
    assert [document.text for document in corpus.documents] == ["two\nlines", "middle", "last"]
    assert corpus.dropped["rows_skipped"] == 2


def test_a_column_that_is_there_twice_is_told(tmp_path: Path):
    path = tmp_path / "data.csv"
    path.write_text("\ntext,text,labels\na,b,x\n")
    with pytest.raises(RequestError, match=r"data\.csv:2: more than one column text; found text, text, labels"):
        read("data=csv", f"data.path={path}")


def test_ids_do_not_depend_on_how_the_path_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    write_jsonl(tmp_path)
    paths = ("patents.jsonl", "./patents.jsonl", str(tmp_path / "patents.jsonl"))
    found = [read("data=jsonl", f"data.path={path}", "data.text=title").documents for path in paths]
    assert found[0] == found[1] == found[2]
    assert [document.id for document in found[0]] == ["1", "2", "3"]


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("data.id=id", ["1", "1", "2"], "id='1' occurs twice"),
        ("data.date=date", ["2001-01-01", "soon", "2002-01-01"], "date=soon is no date; write YYYY-MM-DD"),
        ("data.split.column=set", ["train", "dev", "elsewhere"], "set elsewhere: allowed are train"),
    ],
)
def test_ids_dates_and_sets_are_checked(tmp_path: Path, column: str, values: list[str], message: str):
    name = column.partition("=")[2]
    path = tmp_path / "data.csv"
    rows = [f"text {number},{'xy'[number % 2]},{value}" for number, value in enumerate(values)]
    path.write_text("\n".join([f"text,labels,{name}", *rows]))
    with pytest.raises(RequestError, match=message):
        read("data=csv", f"data.path={path}", column)


@given(st.text(st.characters(exclude_characters="{}", exclude_categories=["Cs"]), min_size=1))
def test_a_template_without_braces_is_a_field(name: str):
    assert template_fields(name) == (name,)
    assert fill(name, {name: "value"}) == "value"
