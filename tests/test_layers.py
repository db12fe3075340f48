"""The arrows of the house: a room imports only rooms to its left, and the words that all share."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "patentlab"
SHARED = {"config", "corpus", "protocols", "storage", "weights"}
# from left to right: data flows one way
ROOMS = ["config", "data", "evaluation", "tasks", "language_models", "synthesis", "mixing", "fidelity", "losses"]
ROOMS += [
    "models",
    "training",
    "classifiers",
    "robustness",
    "tracking",
    "sweep",
    "statistics",
    "analysis",
    "figures",
    "report",
]
# rooms that show and ask, by what all commands share
SPEAKING = {"sweep"}
# the method section, trained runs, and the commands see everything
WHOLE = {"experiment", "inference", "run", "synthesize", "analyze", "ui"}
HEAVY = {"torch", "transformers", "peft", "accelerate"}
# beside training, modules that are torch's own, and are imported where they are used; losses and heads are not among
# them: their names are looked up before torch is loaded
OF_TORCH = {
    "classifiers/contrastive.py",
    "classifiers/preparation.py",
    "classifiers/transformer.py",
    "language_models/decoding.py",
    "language_models/finetuning.py",
    "language_models/scoring.py",
    "language_models/slots.py",
    "models/batching.py",
    "models/encoder.py",
    "models/linear.py",
    "models/network.py",
    "models/similarity.py",
    "models/pooling.py",
}


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path, *, top_level_only: bool = False) -> set[str]:
    tree = ast.parse(path.read_text())
    nodes = list(tree.body) if top_level_only else list(ast.walk(tree))
    names: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


FILES = sorted(path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py" or path.parent != PACKAGE)


def test_every_file_has_a_room():
    assert {room_of(path) for path in FILES} <= SHARED | set(ROOMS) | WHOLE | {"console"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_room_imports_only_rooms_to_its_left(path: Path):
    room = room_of(path)
    used = {name.split(".")[1] for name in imports(path) if name.startswith("patentlab.")}
    if room in WHOLE:
        return
    if room == "console":
        assert used <= {"console", "config", "protocols"}
        return
    # protocols speak of documents; the other shared words know no room at all
    allowed = (
        {room}
        | SHARED
        | ({"console"} if room in SPEAKING else set())
        | (set(ROOMS[: ROOMS.index(room)]) if room in ROOMS else set())
    )
    assert used <= allowed, f"{path.name} imports {used - allowed}"


@pytest.mark.parametrize("room", sorted((SHARED | WHOLE | set(ROOMS)) - {"training"}))
def test_torch_is_not_imported_at_the_top(room: str):
    for path in FILES:
        if room_of(path) == room and str(path.relative_to(PACKAGE)) not in OF_TORCH:
            heavy = {name.split(".")[0] for name in imports(path, top_level_only=True)} & HEAVY
            assert not heavy, f"{path} imports {heavy} at its top"


def test_config_imports_neither_torch_nor_mlflow():
    assert not {name.split(".")[0] for name in imports(PACKAGE / "config" / "__init__.py")} & (HEAVY | {"mlflow"})


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_file_is_more_than_one_room(path: Path):
    assert len(path.read_text().splitlines()) <= 350


def test_the_method_section_fits_on_a_page():
    tree = ast.parse((PACKAGE / "experiment.py").read_text())
    (function,) = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "run_experiment"]
    first = function.body[1]  # behind the docstring
    assert function.end_lineno is not None
    assert function.end_lineno - first.lineno < 60
    assert len((PACKAGE / "experiment.py").read_text().splitlines()) <= 120
