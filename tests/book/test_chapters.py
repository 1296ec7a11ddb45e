"""Chapters and notebooks: in step, short, and stopped by a parameter they do not have."""

import ast
import copy
import json
import pydoc
import re
import shutil
from functools import cache

import nbformat
import pytest

from grokkit.runs import Run
from varma2023.experiments import Experiment
from varma2023.publish import chapters, index

NAMES = chapters.documents(chapters.BOOK)
HEADER = "---\nkernelspec:\n  display_name: Python 3\n  language: python\n  name: python3\n---\n\n"
CELL = "```{code-cell} ipython3\n%s\n```\n\n"
SMALL = (
    HEADER
    + "# A chapter\n\n"
    + CELL % ':tags: [parameters]\nprofile = "published"\np = 5'
    + CELL % "from myst_nb import glue"
    + CELL % 'glue("verdict-sum", "holds" if p > 4 else "fails", display=False)\nprint(object(), p)'
)


@cache
def read(name: str) -> list[nbformat.NotebookNode]:
    """The cells of a notebook; [] for a page without one."""
    twin = chapters.BOOK / f"{name}.ipynb"
    return nbformat.read(twin, as_version=4).cells if twin.exists() else []


def cells(name: str, without: str = "") -> list[str]:
    """The sources of a notebook's code cells, without those of a tag."""
    code = [cell for cell in read(name) if cell.cell_type == "code"]
    return [cell.source for cell in code if without not in cell.metadata.get("tags", [])]


def n_lines(cell: str) -> int:
    """Lines of code; blank ones and imports are none."""
    imports = [n for n in ast.parse(cell).body if isinstance(n, ast.Import | ast.ImportFrom)]
    of_imports = sum(n.end_lineno - n.lineno + 1 for n in imports)
    return sum(bool(line.strip()) for line in cell.splitlines()) - of_imports


@pytest.fixture
def small(tmp_path):
    """A book of a landing page and one chapter, in step."""
    root = tmp_path / "book"
    (root / "chapters").mkdir(parents=True)
    (root / "_assets").mkdir()
    for page in ("intro.md", "chapters/one.md"):
        (root / page).write_text(SMALL, encoding="utf-8")
    (root / "chapters/prose.md").write_text("# Prose only\n", encoding="utf-8")
    files = "".join(f"- file: {x}\n" for x in ("chapters/one", "chapters/prose", "api"))
    toc = f"format: jb-book\nroot: intro\nchapters:\n{files}- file: bibliography\n"
    (root / "_toc.yml").write_text(toc, encoding="utf-8")
    assert chapters.sync(root) == 0
    return root


def test_a_notebook_quotes_in_its_own_way_and_its_page_as_the_chapter_does():
    source = "{glue:text}`a-b` and {glue:}`runs-fig-4`\n\n```{glue} table\n```\n"
    chapter = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(source)])
    there = chapters.quoting(copy.deepcopy(chapter), chapters.QUOTES)
    assert '{eval}`quoted["a-b"]` and {eval}`quoted_html["runs-fig-4"]`' in there.cells[0].source
    assert "glue" not in there.cells[0].source
    back = nbformat.reads(chapters.stripped(nbformat.writes(there)), as_version=4)
    assert back.cells[0].source == source
    every = [cell for name in NAMES for cell in read(name) if cell.cell_type == "markdown"]
    assert not any("{glue" in cell.source for cell in every)


def test_committed_notebooks_and_contents_agree_with_the_chapters(capsys):
    assert NAMES[0] == "intro"
    assert chapters.check() == 0, capsys.readouterr().out
    assert chapters.differing(chapters.BOOK) == {}  # so they are without outputs


def test_sync_makes_what_check_wants_and_nothing_for_prose(small, capsys):
    assert chapters.check(small) == 0
    assert chapters.documents(small) == ["intro", "chapters/one"]
    assert not (small / "chapters/prose.ipynb").exists()
    capsys.readouterr()
    assert chapters.sync(small) == 0
    assert capsys.readouterr().out == ""


STALE = "intro.ipynb is not what intro.md gives"
LISTED = "_toc.yml lists chapters/two, which does not exist\nchapters/one is not in _toc.yml"


@pytest.mark.parametrize(
    ("file", "was", "becomes", "said"),
    [
        ("intro.md", "A chapter", "Another", STALE),
        ("intro.ipynb", "A chapter", "Another", STALE),
        ("intro.ipynb", "{", "<<<<<<< {", STALE),
        ("intro.ipynb", '"cells"', '"no"', STALE),
        ("_toc.yml", "chapters/one", "chapters/two", LISTED),
        ("chapters/left.ipynb", "", "{}", "chapters/left.ipynb has no chapter"),
    ],
)
def test_check_names_what_fell_behind_and_what_lacks(small, capsys, file, was, becomes, said):
    path = small / file
    text = path.read_text("utf-8") if path.exists() else ""
    path.write_text(text.replace(was, becomes), encoding="utf-8")
    assert chapters.check(small) == 1
    assert said in capsys.readouterr().out


def test_a_chapter_saved_with_outputs_is_still_in_step(small, capsys, tmp_path, monkeypatch):
    # where the manager keeps the signatures of notebooks: a home may be read-only
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "jupyter"))
    from jupyter_server.services.contents.largefilemanager import LargeFileManager
    from jupytext.sync_contentsmanager import build_sync_jupytext_contents_manager_class

    shutil.copy(chapters.BOOK / "jupytext.toml", small)
    manager = build_sync_jupytext_contents_manager_class(LargeFileManager)(root_dir=str(small))
    model = manager.get("chapters/one.ipynb")
    code = [cell for cell in model["content"].cells if cell.cell_type == "code"]
    code[-1].outputs = [nbformat.v4.new_output("stream", text="run")]
    code[-1].execution_count = 3
    model["content"].metadata["language_info"] = {"name": "python", "version": "3.11.2"}
    manager.save(model, "chapters/one.ipynb")
    manager.create_checkpoint("chapters/one.ipynb")
    assert '"run"' in (small / "chapters/one.ipynb").read_text("utf-8")
    assert chapters.check(small) == 0, capsys.readouterr().out
    assert chapters.sync(small) == 0  # which takes the outputs out
    assert '"run"' not in (small / "chapters/one.ipynb").read_text("utf-8")


def test_jupyterlab_opens_a_notebook_whose_prose_quotes_numbers(tmp_path, monkeypatch):
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "jupyter"))
    from jupyter_server.services.contents.largefilemanager import LargeFileManager
    from jupytext.sync_contentsmanager import build_sync_jupytext_contents_manager_class

    manager = build_sync_jupytext_contents_manager_class(LargeFileManager)
    book = manager(root_dir=str(chapters.BOOK))
    cells = book.get("chapters/03_ingredients.ipynb")["content"].cells
    text = "".join(cell.source for cell in cells)
    assert "{eval}`quoted" in text
    assert "{glue:text}" not in text


@pytest.mark.parametrize(("deaths", "runs"), [(1, 2), (9, 3)])
def test_a_kernel_whose_port_was_taken_is_started_anew(deaths, runs, tmp_path, monkeypatch):
    import papermill

    calls = []

    def start(source, target, *_, **given):
        calls.append(source)
        assert min(given["start_timeout"], given["iopub_timeout"]) > 60  # a machine may be busy
        if len(calls) <= deaths:
            raise RuntimeError("Kernel died before replying to kernel_info")
        shutil.copy(source, target)

    monkeypatch.setattr(papermill, "execute_notebook", start)
    _, error = chapters.run_chapter(chapters.BOOK / f"{NAMES[0]}.ipynb", tmp_path / "one.ipynb", {})
    assert len(calls) == runs
    assert bool(error) == (deaths > runs)


FORBIDDEN = (ast.FunctionDef, ast.ClassDef, ast.For, ast.While, ast.With, ast.Try)
PATH = re.compile(r"^[~./]{1,2}/|\.(parquet|json|csv|npz|safetensors|py|md)$")


@pytest.mark.parametrize("name", NAMES)
def test_cells_are_short_call_and_do_not_program(name):
    assert max(map(n_lines, cells(name))) <= 8
    assert sum(map(n_lines, cells(name, without="exercise"))) <= 60
    assert sum(map(n_lines, cells(name))) <= 90
    for cell in cells(name):
        nodes = list(ast.walk(ast.parse(cell)))
        assert not [n for n in nodes if isinstance(n, FORBIDDEN)], cell
        names = {n.id for n in nodes if isinstance(n, ast.Name)}
        assert not names & {"open", "Path", "os", "exec"}, cell
        texts = [n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str)]
        assert not [t for t in texts if PATH.search(t)], cell
        assert "show(" in cell or not re.search(r"\bfig\w*\(", cell), cell


@pytest.mark.parametrize("name", NAMES)
def test_parameters_come_first(name):
    """`test_parameters` has the call that checks them next."""
    tagged = [cell for cell in read(name) if "parameters" in cell.metadata.get("tags", [])]
    assert [cell.source for cell in tagged] == cells(name)[:1]
    assert cells(name)[0].startswith("profile = ")


def test_a_figure_is_referred_to_by_a_short_name():
    """`{ref}` without one has the figure's whole caption as its text."""
    pages = chapters.BOOK.glob("**/*.md")
    assert [page.name for page in pages if "{ref}`fig-" in page.read_text("utf-8")] == []


@pytest.mark.process
def test_chapters_run_side_by_side_and_leave_nothing_of_this_machine(small, tmp_path, capsys):
    to = tmp_path / "to"
    assert chapters.execute("published", [], to, 2, small) == 0
    printed = capsys.readouterr().out
    assert "[2/2]" in printed
    assert re.search(r"chapters/one +done +[\d.]+ s", printed)
    for name in chapters.documents(small):
        text = (to / f"{name}.ipynb").read_text(encoding="utf-8")
        assert str(tmp_path) not in text
        assert "start_time" not in text
        assert text == chapters.stripped(text)
    assert chapters.verdicts(to) == {("chapters/one", "sum"): "holds", ("intro", "sum"): "holds"}
    assert chapters.report_verdicts(to, ["sum"]) == 0
    assert chapters.report_verdicts(to, ["product"]) == 1
    assert chapters.report_verdicts(tmp_path / "nowhere", []) == 2
    assert chapters.execute("published", ["one"], to, 1, small) == 0  # the others stay
    assert {*chapters.verdicts(to)} == {("chapters/one", "sum"), ("intro", "sum")}


def test_nothing_but_what_was_executed_before_is_deleted(small, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("all of it")
    with pytest.raises(ValueError, match=r"mine is no folder of executed chapters: name a new"):
        chapters.stage(small, tmp_path / "mine")
    for to in (small, small.parent, small / "chapters" / "out"):
        with pytest.raises(ValueError, match=re.escape(f"{to} holds the sources of the book")):
            chapters.stage(small, to)
    chapters.stage(small, tmp_path / "to")
    chapters.stage(small, tmp_path / "to")


def test_the_pages_that_read_every_experiment_are_known():
    source = {name: "".join(cells(name)) for name in NAMES}
    assert {n for n, text in source.items() if "all_records(" in text} == {*chapters.READ_ALL}


def test_the_book_does_not_train_for_hours_but_names_what_is_missing(monkeypatch, home, capsys):
    few = Experiment("", lambda profile: [Run(p=13, dataset_size=130, epochs=9)])
    monkeypatch.setattr(
        chapters, "EXPERIMENTS", {"one": few, "same": few, "none": Experiment("", lambda _: [])}
    )
    assert chapters.main(["execute"]) == 1
    assert "train 1 runs (one, same)" in capsys.readouterr().out


@pytest.mark.process
def test_a_chapter_that_fails_is_named_with_its_error(small, tmp_path, capsys):
    page = small / "chapters/one.md"
    page.write_text(page.read_text("utf-8").replace("p > 4", "p > undefined"), encoding="utf-8")
    chapters.sync(small)
    assert chapters.execute("published", ["one"], tmp_path / "to", 1, small) == 1
    printed = capsys.readouterr().out
    assert re.search(r"chapters/one +FAILED", printed)
    assert "NameError: name 'undefined' is not defined" in printed
    log = tmp_path / "to.log"
    assert printed.rstrip().endswith(f"failed: chapters/one; stderr: {log}")
    assert not log.stat().st_mode & 0o111


def test_no_chapter_of_that_name_is_an_error_that_lists_them(small, tmp_path, capsys):
    assert chapters.execute("published", ["nope"], tmp_path / "to", 1, small) == 2
    assert "intro, chapters/one" in capsys.readouterr().out


@pytest.mark.process
@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"profil": "quick"}, "unknown parameter 'profil': .*did you mean 'profile'?"),
        ({"task": "x/y", "p": 9}, "x/y: division needs a prime modulus p, got 9"),
    ],
)
def test_papermill_stops_before_training_at_what_is_of_no_use(tmp_path, monkeypatch, given, says):
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))  # it warns of a home without rights
    monkeypatch.setenv("GROKKIT_STORE", str(tmp_path / "store"))
    chapter, target = chapters.BOOK / "chapters/01_introduction.ipynb", tmp_path / "out.ipynb"
    _, error = chapters.run_chapter(chapter, target, given)
    assert re.search(f"ValueError: {says}", error)
    ran = [c for c in json.loads(target.read_text("utf-8"))["cells"] if c.get("execution_count")]
    assert len(ran) <= 3  # parameters, papermill's own, and the cell that checks them
    assert not (tmp_path / "store").exists()


def test_the_api_pages_document_every_module_once():
    modules = {"grokkit", *(name.rpartition(".")[0] for name in index.docstrings())}
    pages = [page.read_text(encoding="utf-8") for page in chapters.BOOK.glob("api/*.rst")]
    documented = re.findall(r"automodule:: (\S+)$", "".join(pages), re.MULTILINE)
    hidden = {n for n in modules if n.endswith(("__main__", "commands", "sphinx_ext"))}
    assert sorted(documented) == sorted(modules - hidden)


def test_only_the_icons_in_use_are_kept(tmp_path):
    scripts = tmp_path / "_static" / "scripts"
    scripts.mkdir(parents=True)
    icons = 'x={bars:[448,512,["navicon"],"f0c9","M0 9z"],"arrow-up":[3,5,[],"f1",["M1","M2"]],'
    icons += 'car:[1,2,[],"f3","M3"],moon:[1,2,[9],"f2","M4"]};run()'
    (scripts / "fontawesome.js").write_text(icons)
    (tmp_path / "a.html").write_text('<i class="fa-solid fa-navicon"></i>')
    (scripts / "theme.js").write_text('swap("fa-arrow-up")')
    (scripts.parent / "styles").mkdir()
    sheet = scripts.parent / "styles" / "pydata-sphinx-theme.css"
    sheet.write_text('p{a:b}.fa-car:before{content:"x"}.fa-navicon:before{content:"y"}')
    chapters.subset_icons(tmp_path)
    assert sheet.read_text() == 'p{a:b}.fa-navicon:before{content:"y"}'
    kept = (scripts / "fontawesome.js").read_text()
    assert kept == icons.replace(',car:[1,2,[],"f3","M3"],moon:[1,2,[9],"f2","M4"]', "")


NAMED = re.compile(r"`([a-z_]+(?:\.[A-Za-z_]\w*)+)(?:\(.*?\))?`")


@pytest.mark.parametrize("page", ["choices", "engine"])
def test_the_code_that_a_page_names_exists(page):
    named = set(NAMED.findall((chapters.BOOK / f"chapters/{page}.md").read_text(encoding="utf-8")))
    places = ("", "grokkit.", "grokkit.engine.", "varma2023.")
    assert len(named) > 15
    assert [n for n in named if not any(pydoc.locate(place + n) for place in places)] == []
