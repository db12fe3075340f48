from pathlib import Path

import pytest

from patentlab.config import RequestError
from patentlab.console.command_line import compose
from patentlab.corpus import Corpus
from patentlab.data.sources import data_fingerprint, read_corpus
from patentlab.data.splits import split_corpus

TABLES = {
    "g_patent.tsv": [
        ["patent_id", "patent_date", "patent_title"],
        ["1", "2001-01-02", "Wheel"],
        ["2", "2002-01-02", "Lens, tinted"],
        ["3", "2003-01-02", "Brake"],
        ["4", "2004-01-02", "No abstract"],
        ["5", "2005-01-02", "No code"],
    ],
    "g_patent_abstract.tsv": [
        ["patent_id", "patent_abstract"],
        ["1", 'A wheel\nwith a "rim".'],
        ["2", "A lens."],
        ["3", "A brake."],
        ["4", " "],
        ["5", "Nothing."],
    ],
    "g_cpc_current.tsv": [
        ["patent_id", "cpc_sequence", "cpc_section", "cpc_class", "cpc_subclass", "cpc_group"],
        ["1", "1", "B", "B60", "B60B", "B60B1/00"],
        ["1", "0", "A", "A61", "A61G", "A61G5/00"],
        ["1", "2", "A", "A61", "A61G", "A61G5/10"],
        ["2", "0", "G", "G02", "G02C", "G02C7/00"],
        ["3", "0", "B", "B60", "B60T", "B60T1/00"],
        ["4", "0", "B", "B60", "B60T", "B60T1/00"],
    ],
    "g_cpc_title.tsv": [
        ["cpc_subclass", "cpc_subclass_title", "cpc_group", "cpc_group_title", "cpc_class", "cpc_class_title"],
        ["B60B", "Vehicle wheels", "B60B1/00", "", "B60", "Vehicles"],
        ["G02C", "Spectacles", "G02C7/00", "Lenses", "G02", "Optics"],
    ],
}


def write(folder: Path, tables: dict[str, list[list[str]]]) -> Path:
    for name, rows in tables.items():
        quoted = ("\t".join('"' + cell.replace('"', '""') + '"' for cell in row) + "\n" for row in rows)
        (folder / name).write_text("".join(quoted), encoding="utf-8")
    return folder


def read(folder: Path, *overrides: str) -> Corpus:
    return read_corpus(compose("data=patentsview", f"data.path={folder}", "data.min_count=1", *overrides).data)


def test_patents_get_their_text_date_and_labels_in_cpc_order(tmp_path: Path):
    corpus = read(write(tmp_path, TABLES))
    assert [d.id for d in corpus.documents] == ["1", "2", "3"]
    first = corpus.documents[0]
    assert (first.text, first.date, first.labels) == ('Wheel. A wheel\nwith a "rim".', "2001-01-02", ("A61G", "B60B"))
    assert corpus.labels.titles == {"B60B": "Vehicle wheels", "G02C": "Spectacles"}
    assert corpus.dropped["documents_without_abstract"] == 1
    assert corpus.dropped["documents_without_code"] == 1


@pytest.mark.parametrize(
    ("level", "names"),
    [
        ("section", ("A", "B", "G")),
        ("class", ("A61", "B60", "G02")),
        ("group", ("A61G5/00", "A61G5/10", "B60B1/00", "B60T1/00", "G02C7/00")),
    ],
)
def test_levels(tmp_path: Path, level: str, names: tuple[str, ...]):
    assert read(write(tmp_path, TABLES), f"data.level={level}").labels.names == names


def test_single_label_takes_the_first_code(tmp_path: Path):
    corpus = read(write(tmp_path, TABLES), "data.task=single_label")
    assert [d.labels for d in corpus.documents] == [("A61G",), ("G02C",), ("B60T",)]


def test_the_table_of_titles_may_be_missing(tmp_path: Path):
    write(tmp_path, {name: rows for name, rows in TABLES.items() if name != "g_cpc_title.tsv"})
    assert read(tmp_path).labels.titles == {}


def test_text_template(tmp_path: Path):
    assert read(write(tmp_path, TABLES), "data.text='{title}'").documents[2].text == "Brake"


CLAIMS = [
    ["patent_id", "claim_sequence", "claim_text", "dependent"],
    ["1", "1", "The wheel of claim 1.", "1"],
    ["1", "0", "1. A wheel.", ""],
    ["3", "0", "1. A brake.", ""],
]


def test_the_first_claim_comes_from_the_tables_of_claims(tmp_path: Path):
    write(tmp_path, {**TABLES, "g_claims_2001.tsv": CLAIMS[:3], "g_claims_2003.tsv": [CLAIMS[0], CLAIMS[3]]})
    request = [str(tmp_path), "data.text='{title} | {claim}'"]
    config = compose("data=patentsview", f"data.path={request[0]}", "data.min_count=1", request[1]).data
    with pytest.raises(RequestError, match="3 labels and 2 documents are left"):  # patent 2 has no claim
        read_corpus(config)
    write(tmp_path, {"g_claims_2002.tsv": [CLAIMS[0], ["2", "0", "1. A lens.", ""]]})
    corpus = read_corpus(config)
    assert [d.text for d in corpus.documents] == [
        "Wheel | 1. A wheel.",
        "Lens, tinted | 1. A lens.",
        "Brake | 1. A brake.",
    ]
    before = data_fingerprint(config)
    write(tmp_path, {"g_claims_2002.tsv": [CLAIMS[0], ["2", "0", "1. Another lens.", ""]]})
    assert data_fingerprint(config) != before
    assert "claim" not in compose("data=patentsview", "data.path=x").data.text


def test_claims_that_are_not_there_are_told(tmp_path: Path):
    with pytest.raises(RequestError, match=r"g_claims_\*\.tsv: no such file; data\.text names \{claim\}"):
        read(write(tmp_path, TABLES), "data.text='{claim}'")


def test_broken_rows_are_skipped_and_counted(tmp_path: Path):
    broken("g_cpc_current.tsv", b'"1"\t"1"', b'"1"\t"one"')(write(tmp_path, TABLES))
    corpus = read(tmp_path, "data.on_bad_row=skip")
    assert corpus.dropped["rows_skipped"] == 1
    assert corpus.documents[0].labels == ("A61G",)


def test_a_byte_changes_the_fingerprint(tmp_path: Path):
    config = compose("data=patentsview", f"data.path={write(tmp_path, TABLES)}").data
    before = data_fingerprint(config)
    table = tmp_path / "g_patent_abstract.tsv"
    table.write_bytes(table.read_bytes().replace(b"lens", b"Lens"))
    assert data_fingerprint(config) != before


def broken(name: str, old: bytes, new: bytes):
    def change(folder: Path) -> None:
        path = folder / name
        assert old in path.read_bytes()
        path.write_bytes(path.read_bytes().replace(old, new, 1))

    return change


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (broken("g_patent.tsv", b"patent_title", b"title"), "g_patent.tsv:1: no column patent_title"),
        (broken("g_patent.tsv", b'\t"Brake"', b""), "g_patent.tsv:4: 2 columns, the header has 3"),
        (
            broken("g_patent_abstract.tsv", b"A lens", b"A l\xe9ns"),
            "g_patent_abstract.tsv:4: not utf-8 at byte 9",
        ),
        (broken("g_cpc_current.tsv", b'"1"\t"1"', b'"1"\t"one"'), "g_cpc_current.tsv:2: cpc_sequence='one'"),
        (broken("g_patent.tsv", b'"Brake"', b'"Brake'), "g_patent.tsv:"),
        (broken("g_patent.tsv", b'"Brake"', b"Brake\t(two)"), "g_patent.tsv:4: 4 columns, the header has 3"),
        (broken("g_patent.tsv", b"2003-01-02", b"01/02/2003"), "g_patent.tsv:4: patent_date=01/02/2003 is no date"),
        (broken("g_patent.tsv", b'"3"', b'"2"'), "g_patent.tsv:4: patent_id=2 occurs twice"),
        (lambda folder: (folder / "g_patent.tsv").write_bytes(b""), "g_patent.tsv: is empty"),
        (lambda folder: (folder / "g_cpc_current.tsv").unlink(), "g_cpc_current.tsv: no such file"),
    ],
)
def test_broken_tables_are_named_with_their_line(tmp_path: Path, damage, message: str):
    damage(write(tmp_path, TABLES))
    with pytest.raises(RequestError) as raised:
        read(tmp_path)
    assert message in str(raised.value)


def test_too_little_left_is_said(tmp_path: Path):
    with pytest.raises(RequestError, match=r"lower data\.min_count"):
        read(write(tmp_path, TABLES), "data.min_count=5")


@pytest.mark.integration
def test_the_real_set(patentsview: Path):
    config = compose("data=patentsview", f"data.path={patentsview}").data
    corpus = read_corpus(config)
    # counts of the set's own description: 34 subclasses with at least 20 patents, 12 empty abstracts
    assert len(corpus.labels) == 34
    assert corpus.dropped["documents_without_abstract"] == 12
    assert len(corpus.documents) == 5079
    split = split_corpus(corpus, compose("data=patentsview", "data.path=x", "data.split.method=date").data.split, 0)
    assert max(str(d.date) for d in split.pool) < min(str(d.date) for d in split.validation)
    assert max(str(d.date) for d in split.validation) < min(str(d.date) for d in split.test)
    assert split.counts["same_text"] == 727
    assert split.counts["duplicates_removed"] > 100
    assert (
        len(read_corpus(compose("data=patentsview", f"data.path={patentsview}", "data.level=group").data).labels) == 235
    )
