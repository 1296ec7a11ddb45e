"""The book: keep chapters and notebooks in step, execute them, build the site.

    python -m varma2023.publish sync       chapter.md -> chapter.ipynb, without outputs
    python -m varma2023.publish check      fail if a notebook or the contents differ from them
    python -m varma2023.publish execute    run every chapter with papermill into build/book
    python -m varma2023.publish verdicts   the verdicts that the executed chapters reached
    python -m varma2023.publish site       build/book -> build/site, warnings are errors

Chapters are written as MyST Markdown; the notebook beside each is generated from it, so that
anyone can open it, or give it to papermill, without any other step. What the prose quotes by
`glue` on a page, a notebook quotes by `eval`, which JupyterLab fills in as the cells run.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from itertools import chain
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from grokkit.store.store import Store
from varma2023.experiments import EXPERIMENTS, inventory
from varma2023.explorers import css_variables
from varma2023.pages import BOOK, ROOT
from varma2023.publish import data
from varma2023.publish.parameters import PROFILES
from varma2023.theme import ISLAND_MIME, PLOTLY_MIME, THEME

STATIC = Path(__file__).parent / "static"
BUILD = ROOT / "build"
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
SHOWN = (PLOTLY_MIME, ISLAND_MIME)
GLUED = "application/papermill.record/text/plain"


def documents(book: Path) -> list[str]:
    """The book's notebooks by name without suffix, the landing page first.

    Those are the pages with a kernel in their header.
    """
    has_kernel = re.compile(r"---\n(.+\n)*?kernelspec:").match
    pages = [book / "intro.md", *sorted((book / "chapters").glob("*.md"))]
    notebooks = [page for page in pages if has_kernel(page.read_text(encoding="utf-8"))]
    return [str(page.relative_to(book).with_suffix("")) for page in notebooks]


# How a notebook quotes what a page quotes as text, as HTML, and as a block of its own; the names
# are those of one dict (`notebook.glue`).
QUOTES = {
    "{glue:text}`%s`": '{eval}`quoted["%s"]`',
    "{glue:}`%s`": '{eval}`quoted_html["%s"]`',
    "```{glue} %s\n```": '{eval}`quoted_block["%s"]`',
}


def quoting(notebook: Any, quotes: Mapping[str, str]) -> Any:
    """The notebook with each of these ways to quote in its prose exchanged for the other."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            for old, new in quotes.items():
                pattern = re.escape(old).replace("%s", r"([\w.,-]+)")
                cell.source = re.sub(pattern, new.replace("%s", r"\1"), cell.source)
    return notebook


def _written(notebook: Any) -> str:
    """A notebook as the text of its file: metadata that never differ, cells counted from 0."""
    import nbformat

    notebook.metadata = nbformat.from_dict({"kernelspec": KERNEL})
    for i, cell in enumerate(notebook.cells):
        cell["id"] = str(i)
        for key in ("papermill", "execution", "user_expressions"):  # of who ran it: time, quotes
            cell.metadata.pop(key, None)
    return str(nbformat.writes(notebook)).rstrip("\n") + "\n"


def contents(book: Path = BOOK) -> list[str]:
    """The pages of the table of contents, in order, without suffix."""
    return re.findall(r"(?:root|file): *(\S+)", (book / "_toc.yml").read_text(encoding="utf-8"))


def differing(book: Path, outputs: bool = True) -> dict[str, str]:
    """By document, the text of each notebook that is missing or is not what its chapter gives.

    `outputs`: whether a notebook that has some differs.
    """
    import jupytext

    found = {}
    for name in documents(book):
        twin, chapter = book / f"{name}.ipynb", jupytext.read(book / f"{name}.md")
        text = _written(quoting(chapter, QUOTES))
        there = twin.read_text(encoding="utf-8") if twin.exists() else ""
        if there != text and (outputs or _without_outputs(there) != text):
            found[name] = text
    return found


def _without_outputs(text: str) -> str:
    """The text of a notebook's file as if it had not been run; "" where it is no notebook."""
    import jupytext
    import nbformat

    try:
        notebook = jupytext.reads(text, "ipynb")
        code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    except (ValueError, AttributeError, nbformat.ValidationError):
        return ""
    for cell in code:
        cell.outputs, cell.execution_count = [], None
    return _written(notebook)


def sync(book: Path = BOOK) -> int:
    """Write the notebooks that differ; the exit status."""
    for name, text in differing(book).items():
        (book / f"{name}.ipynb").write_text(text, encoding="utf-8")
        print(f"wrote {name}.ipynb")
    return 0


def check(book: Path = BOOK) -> int:
    """Whether notebooks and contents agree with the chapters, as an exit status.

    Outputs are no difference: who has run a chapter in JupyterLab can still make the book.
    """
    names, behind = documents(book), differing(book, outputs=False)
    problems = [f"{name}.ipynb is not what {name}.md gives: make sync" for name in behind]
    listed = set(contents(book))
    written = [*book.glob("chapters/*.md"), *book.glob("api/*.rst")]
    pages = {p.relative_to(book).with_suffix("") for p in written}
    there = {"intro", "api", "bibliography", *map(str, pages)}
    problems += [f"_toc.yml lists {name}, which does not exist" for name in sorted(listed - there)]
    problems += [f"{name} is not in _toc.yml" for name in sorted(there - listed)]
    left = {*book.glob("**/*.ipynb")} - {book / f"{name}.ipynb" for name in names}
    orphans = [path for path in left if ".ipynb_checkpoints" not in path.parts]  # JupyterLab's own
    problems += [f"{p.relative_to(book)} has no chapter .md with a kernel" for p in sorted(orphans)]
    print("\n".join(problems) or f"{len(names)} notebooks agree with their chapters")
    return int(bool(problems))


def stage(book: Path, to: Path) -> None:
    """A fresh copy of the book's sources in `to`, with the page scripts; notebooks not yet run.

    Raises ValueError where `to` holds something else, or the sources themselves.
    """
    one, other = book.resolve(), to.resolve()
    if one.is_relative_to(other) or other.is_relative_to(one):
        raise ValueError(f"{to} holds the sources of the book, or is among them: name another")
    _replaced(to, "_toc.yml", "executed chapters")
    not_sources = shutil.ignore_patterns("_build", ".ipynb_checkpoints", "*.ipynb")
    shutil.copytree(book, to, ignore=not_sources)
    for name in documents(book):
        (to / f"{name}.md").unlink()
    stage_assets(to / "_assets")


def _replaced(to: Path, mark: str, of: str) -> None:
    """Delete a folder that an earlier call has made, which such a file in it shows."""
    if to.exists() and any(to.iterdir()) and not (to / mark).exists():
        raise ValueError(f"{to} is no folder of {of}: name a new one or an empty one")
    shutil.rmtree(to, ignore_errors=True)


def stage_assets(to: Path) -> None:
    """Write the pages' script and stylesheet, with the theme in them."""
    script = (STATIC / "gk-book.js").read_text(encoding="utf-8")
    script = script.replace("/*THEME*/ null", json.dumps(THEME, separators=(",", ":")))
    (to / "gk-book.js").write_text(script, encoding="utf-8")
    style = css_variables(":root", THEME["colours"] | {"font": THEME["layout"]["font"]["family"]})
    style += css_variables('html[data-theme="dark"]', THEME["dark_colours"])
    style += (STATIC / "gk-book.css").read_text(encoding="utf-8")
    (to / "gk-book.css").write_text(style, encoding="utf-8")


def run_chapter(source: Path, target: Path, given: dict, starts: int = 3) -> tuple[float, str]:
    """Seconds taken, and what went wrong ("" if nothing), of executing one notebook.

    Kernels that start at one moment may be given one port, and then one of them dies before it has
    run anything. Such a kernel is started anew, up to so many `starts` in all.
    """
    from papermill import execute_notebook

    os.environ.pop("PLOTLY_RENDERER", None)  # any other renderer writes scripts from elsewhere
    start, error = time.perf_counter(), ""
    try:
        patience = dict.fromkeys(("start_timeout", "iopub_timeout"), 600)  # of a busy machine
        execute_notebook(source, target, given, cwd=target.parent, progress_bar=False, **patience)
    except Exception as problem:  # reported by name with the others, and the exit status is 1
        if starts > 1 and "Kernel died before replying" in str(problem):
            return run_chapter(source, target, given, starts - 1)
        error = re.sub(r"\x1b\[[0-9;]*m", "", f"{type(problem).__name__}: {problem}")
    else:
        target.write_text(stripped(target.read_text(encoding="utf-8")), encoding="utf-8")
    return time.perf_counter() - start, error


def stripped(text: str) -> str:
    """An executed notebook without what differs between runs: paths, times, ids, widget state."""
    import nbformat

    pages = {new: old for old, new in QUOTES.items()}
    notebook = quoting(nbformat.reads(text, as_version=4), pages)
    for cell in notebook.cells:
        if "injected-parameters" in cell.metadata.get("tags", []):
            cell.metadata["tags"] = ["injected-parameters", "remove-cell"]
        if cell.cell_type == "code":
            cell.outputs = [o for o in cell.outputs if o.get("name") != "stderr"]
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if any(mime in data for mime in SHOWN):
                output["data"] = {mime: data[mime] for mime in SHOWN if mime in data}
    return _written(notebook)


READ_ALL = ("intro", "chapters/runs", "chapters/score")  # the pages that read every experiment


def execute(profile: str, chapters: Sequence[str], to: Path, jobs: int, book: Path = BOOK) -> int:
    """Run all chapters, or those whose name contains one of `chapters`; the exit status."""
    for name in "GROKKIT_STORE", "GROKKIT_RESULTS":  # each chapter runs in its own folder
        if value := os.environ.get(name):
            os.environ[name] = str(Path(value).expanduser().absolute())
    names = documents(book)
    chosen = [n for n in names if not chapters or any(c in n for c in chapters)]
    if not chosen:
        print(f"no chapter matches {', '.join(chapters)}; there are {', '.join(names)}")
        return 2
    if profile != "published":  # then the others train, and these load: none waits for another
        chosen.sort(key=READ_ALL.__contains__)
    others = [to / f"{name}.ipynb" for name in names if name not in chosen]
    kept = {path: path.read_bytes() for path in others if path.exists()}
    stage(book, to)
    for path, content in kept.items():
        path.write_bytes(content)
    print(f"== executing {len(chosen)} chapters, profile {profile}, {jobs} at a time", flush=True)
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // jobs)))
    parameters = {} if profile == "published" else {"profile": profile}
    start, failed = time.perf_counter(), []
    log = to.with_suffix(".log")
    log.write_text("")
    fresh = get_context("spawn")  # a fork of a process with threads may hang
    with ProcessPoolExecutor(jobs, fresh, initializer=_errors_to, initargs=(log,)) as pool:
        ways = {n: (book / f"{n}.ipynb", to / f"{n}.ipynb") for n in chosen}
        running = {pool.submit(run_chapter, *ways[n], parameters): n for n in chosen}
        for done, (name, seconds, error) in enumerate(_finished(running), 1):
            state = "FAILED" if error else "done"
            print(f"[{done}/{len(chosen)}] {name:32} {state} {seconds:7.1f} s", flush=True)
            if error:
                failed.append(name)
                print(f"\n---- {name}.ipynb ----\n{error}\n", flush=True)
    print(f"== {len(chosen) - len(failed)} executed in {time.perf_counter() - start:.0f} s", end="")
    print(f", failed: {', '.join(failed)}; stderr: {log}" if failed else "")
    return int(bool(failed))


def _untrained(profile: str) -> str:
    """How many runs the chapters would have to train, which may take days, and of what."""
    runs = {name: e.runs(profile) for name, e in EXPERIMENTS.items()}
    _, left = inventory([*chain(*runs.values())], Store())
    names = ", ".join(name for name, own in runs.items() if not left.keys().isdisjoint(own))
    return f"{len(left)} runs ({names})" if left else ""


def _errors_to(log: Path) -> None:
    """Send this process's stderr, and that of the kernels it starts, to a file."""
    os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644), 2)


def _finished(running: dict[Future, str]) -> Iterator[tuple[str, float, str]]:
    """Each chapter as it ends; every half minute without one, a line that says what still runs."""
    left = set(running)
    start = time.perf_counter()
    while left:
        ended, left = wait(left, timeout=30, return_when=FIRST_COMPLETED)
        if not ended:
            names = ", ".join(running[f] for f in left if f.running())
            print(f"   {time.perf_counter() - start:5.0f} s: {names}", flush=True)
        for future in ended:
            yield running[future], *future.result()


def glued(notebook: Path) -> dict[str, str]:
    """Every value that an executed notebook keeps for its prose, as printed."""
    values = {}
    for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
        for output in cell.get("outputs", []):
            key = output.get("metadata", {}).get("scrapbook", {}).get("name")
            text = output.get("data", {}).get(GLUED)
            if key and text:
                values[key] = "".join(text).strip("'\"")
    return values


def verdicts_of(values: Mapping[str, str]) -> dict[str, str]:
    """By claim, what a chapter keeps under `verdict-<claim>`."""
    prefix = "verdict-"
    return {k.removeprefix(prefix): v for k, v in values.items() if k.startswith(prefix)}


def verdicts(executed: Path) -> dict[tuple[str, str], str]:
    """Verdict by (chapter, claim), of all executed chapters."""
    return {
        (str(path.relative_to(executed).with_suffix("")), claim): verdict
        for path in sorted(executed.glob("**/*.ipynb"))
        for claim, verdict in verdicts_of(glued(path)).items()
    }


def report_verdicts(executed: Path, need: Sequence[str]) -> int:
    """Print the verdicts; exit status 1 if one of `need` does not hold, at whatever size."""
    if not (reached := verdicts(executed)):
        print(f"no verdicts in {executed}: python -m varma2023.publish execute makes them")
        return 2
    for (name, claim), verdict in reached.items():
        print(f"{name:32} {claim:24} {verdict}")
    held = {claim for (_, claim), verdict in reached.items() if verdict.startswith("holds")}
    missing = sorted(set(need) - held)
    for claim in missing:
        print(f"{claim}: does not hold")
    return int(bool(missing))


def site(staged: Path, to: Path) -> int:
    """Build the executed chapters into a site that needs no other host; the exit status."""
    print("== building the site", flush=True)
    start = time.perf_counter()
    work = BUILD / "sphinx"
    tool = Path(sys.executable).parent / "jupyter-book"
    strict = ["--all", "-W", "-n", "--keep-going", "-q"]
    command = [str(tool), "build", *strict, str(staged), "--path-output", str(work)]
    built = subprocess.run(command, stdout=subprocess.PIPE, text=True)  # warnings come on stderr
    if built.returncode:
        print(built.stdout)
        return built.returncode
    made = work / "_build" / "html"
    for path in [*made.rglob("*.map"), *made.rglob(".buildinfo*")]:
        path.unlink()
    sources = made / "_sources"
    for path in sources.rglob("*.ipynb"):  # the executed ones quote as no notebook can
        shutil.copyfile(BOOK / path.relative_to(sources), path)
    subset_icons(made)
    mend(made)
    data.write(made)
    _replaced(to, "index.html", "a site")
    shutil.move(made, to)
    pages = len(list(to.rglob("*.html")))
    print(f"== {pages} pages in {time.perf_counter() - start:.0f} s: {to / 'index.html'}")
    return 0


# What themes write wrong: a button without a name, a list without items, an id for several.
TOGGLE = '<span class="toctree-toggle"'
MENDED = {
    f"<summary>{TOGGLE}": f'<summary aria-label="Pages of this part">{TOGGLE}',
    '<div role="list" class="citation-list">': '<div class="citation-list">',
    ' role="doc-biblioentry"': "",
    '-content" id="proof-content">': '-content">',
    '<div class="proof admonition" id="proof">': '<div class="proof admonition">',
    '<p class="admonition-title" id=': '<p class="admonition-title" data-of=',
}


def mend(made: Path) -> None:
    """Put right in every page what its themes write wrong."""
    for path in made.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        for wrong, right in MENDED.items():
            text = text.replace(wrong, right)
        path.write_text(text, encoding="utf-8")


# one icon of the library: name:[width,height,[aliases],"code point",path or [paths]],
ICON = re.compile(
    r'(?:"([\w-]+)"|(\w+)):\[\d+,\d+,\[([^\]]*)\],"[0-9a-f]+",(?:"[^"]*"|\[[^\]]*\])\],?'
)
# and its rule in the style sheet
RULE = re.compile(r"(?:\.fa-[\w-]+:before,?)+\{content:[^}]*\}")


def subset_icons(made: Path) -> None:
    """Keep, of the theme's 1.5 MB of icons, those that a page or a script names."""
    library = made / "_static" / "scripts" / "fontawesome.js"
    files = [p for kind in ("*.html", "*.js") for p in made.rglob(kind) if p != library]
    text = "\n".join(p.read_text(encoding="utf-8", errors="replace") for p in files)
    used = set(re.findall(r"fa-([a-z0-9-]+)", text))

    def keep(icon: re.Match[str]) -> str:
        return icon[0] if {icon[1] or icon[2], *re.findall(r'"([\w-]+)"', icon[3])} & used else ""

    script = ICON.sub(keep, library.read_text(encoding="utf-8")).replace(",}", "}")
    library.write_text(script, encoding="utf-8")
    sheet = made / "_static" / "styles" / "pydata-sphinx-theme.css"
    rules = sheet.read_text(encoding="utf-8")
    rules = RULE.sub(lambda m: m[0] if {*re.findall(r"fa-([\w-]+)", m[0])} & used else "", rules)
    sheet.write_text(rules, encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status."""
    name, kind = "python -m varma2023.publish", argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(name, description=__doc__, formatter_class=kind)
    actions = ("sync", "check", "execute", "verdicts", "site")
    parser.add_argument("action", choices=actions, metavar="|".join(actions))
    parser.add_argument("--profile", choices=PROFILES, default="published")
    parser.add_argument("--chapters", nargs="*", default=[], help="part of their names; else all")
    parser.add_argument("--to", type=Path, help="folder of the executed chapters, or of the site")
    parser.add_argument("--jobs", type=int, default=2, help="chapters at a time (default 2)")
    parser.add_argument("--need", nargs="*", default=[], help="claims whose verdict must hold")
    a = parser.parse_args(arguments)
    if a.jobs < 1:
        parser.error(f"argument --jobs: must be at least 1, got {a.jobs}")
    made = BUILD / ("book" if a.profile == "published" else a.profile)
    executed = a.to or made
    if a.action == "execute":
        if not a.chapters and a.profile != "quick" and (missing := _untrained(a.profile)):
            how = f"{Path(sys.executable).parent / 'varma2023'} run all --profile {a.profile}"
            print(f"the book would first have to train {missing}; do that: {how}")
            return 1
        return execute(a.profile, a.chapters, executed, a.jobs)
    if a.action == "verdicts":
        return report_verdicts(executed, a.need)
    if a.action == "site":
        return site(made, a.to or BUILD / "site")
    return sync() if a.action == "sync" else check()
