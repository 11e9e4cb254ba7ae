"""The extension as Slicer and the Extensions Index want it: files, lists, imports, texts, metadata."""

import ast
import json
import re
import runpy
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from .shown_texts import untranslated_shown

ROOT = Path(__file__).resolve().parents[2]
MODULE = ROOT / "CrossModalSynth"
# What Slicer's Python has without installing anything, and what is ours.
ALLOWED = {"slicer", "vtk", "qt", "ctk", "numpy", "scipy", "SimpleITK", "CrossModalSynthLib", "SynthLogic"}
SCRIPTS = sorted(path for path in MODULE.rglob("*.py") if "Testing" not in path.parts)
LOGGING = {"debug", "info", "warning", "error", "exception"}


def listed(cmake: Path, name: str) -> set[str]:
    """Entries of ``set(name ...)`` in a CMakeLists.txt, with its own variables put in."""
    text = cmake.read_text()
    variables = dict(re.findall(r"^set\((\w+) (\w+)\)", text, re.MULTILINE))
    block = re.search(rf"set\({name}\s(.*?)\)", text, re.DOTALL)
    assert block, f"{cmake} sets no {name}"
    entries = block[1]
    for key, value in variables.items():
        entries = entries.replace(f"${{{key}}}", value)
    return set(entries.split())


def relative(paths, folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in paths}


def test_every_script_of_the_module_is_listed():
    assert listed(MODULE / "CMakeLists.txt", "MODULE_PYTHON_SCRIPTS") == relative(SCRIPTS, MODULE)


def test_every_resource_of_the_module_is_listed():
    resources = (path for path in (MODULE / "Resources").rglob("*") if path.is_file())
    assert listed(MODULE / "CMakeLists.txt", "MODULE_PYTHON_RESOURCES") == relative(resources, MODULE)


def test_every_file_of_the_library_is_listed():
    scripts = (ROOT / "SynthLogic").rglob("*.py")
    assert listed(ROOT / "SynthLogic" / "CMakeLists.txt", "SCRIPTS") == relative(scripts, ROOT)


def test_every_slicer_test_is_listed():
    folder = MODULE / "Testing" / "Python"
    added = set(
        re.findall(r"slicer_add_python_unittest\(SCRIPT (\S+)\)", (folder / "CMakeLists.txt").read_text())
    )
    assert added == {path.name for path in folder.glob("*.py")}


def commands(cmake: Path) -> list[tuple[str, list[str]]]:
    """Commands of a CMakeLists.txt and their arguments, comments left out."""
    text = re.sub(r"#.*", "", cmake.read_text())
    return [
        (name, [quoted or plain for quoted, plain in re.findall(r'"([^"]*)"|(\S+)', arguments)])
        for name, arguments in re.findall(r"(\w+)\s*\(((?:\"[^\"]*\"|[^()\"])*)\)", text)
    ]


def test_the_shipped_resources_are_built_and_installed():
    found = commands(ROOT / "SynthLogic" / "CMakeLists.txt")
    [loop] = [arguments for name, arguments in found if name == "foreach"]
    assert loop == ["folder", "Resources/bundles", "Resources/licences"]
    for folder in loop[1:]:
        assert (ROOT / folder).is_dir()
        assert any((ROOT / folder).rglob("*"))
    [built] = [arguments for name, arguments in found if name == "file"]
    [installed] = [arguments for name, arguments in found if name == "install"]
    library = "${Slicer_QTSCRIPTEDMODULES_LIB_DIR}/SynthLogic/Resources"
    assert built == [
        "COPY",
        "${CMAKE_SOURCE_DIR}/${folder}",
        "DESTINATION",
        f"${{CMAKE_BINARY_DIR}}/{library}",
    ]
    assert installed[:4] == [
        "DIRECTORY",
        "${CMAKE_SOURCE_DIR}/${folder}",
        "DESTINATION",
        library.replace("Slicer_QT", "Slicer_INSTALL_QT"),
    ]
    # Without it the files are in no package.
    assert installed[4:] == ["COMPONENT", "RuntimeLibraries"]


def test_the_library_looks_where_they_are_installed(tmp_path):
    library = tmp_path / "SynthLogic"
    (library / "Resources").mkdir(parents=True)
    names = runpy.run_path(shutil.copy(ROOT / "SynthLogic" / "resources.py", library))
    assert names["resource_folder"]() == library / "Resources"


# --- imports


def file_scope_imports(path: Path) -> set[str]:
    names = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name} imports relatively, which Slicer's loader does not know"
            names.add(node.module.split(".")[0])
    return names - set(sys.stdlib_module_names)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_file_scope_imports(path):
    assert file_scope_imports(path) <= ALLOWED


def test_the_module_file_finds_the_library_before_it_imports_it():
    assert not file_scope_imports(MODULE / "CrossModalSynth.py") & {"SynthLogic", "CrossModalSynthLib"}


def test_what_the_window_imports_needs_nothing_installed():
    """In a Python without torch, pydantic and the rest, all that the panels import can be imported."""
    imported = set()
    for path in SCRIPTS:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module.startswith("SynthLogic"):
                imported.add(node.module)
    blocked = ("torch", "monai", "pydantic", "safetensors", "lightning", "yaml", "rich", "typer")
    code = "import sys\n" + "".join(f"sys.modules[{name!r}] = None\n" for name in blocked)
    code += "".join(f"import {name}\n" for name in sorted(imported))
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


# --- texts


def is_call_of(node, names) -> bool:
    if not isinstance(node, ast.Call):
        return False
    called = node.func
    return (called.id if isinstance(called, ast.Name) else getattr(called, "attr", None)) in names


def untranslated(path: Path) -> list[str]:
    """String literals that read like text to a user and are not in ``_()``."""
    tree = ast.parse(path.read_text())
    fine = set()
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
            and ast.get_docstring(node) is not None
        ):
            fine.add(node.body[0].value)
        names = isinstance(node, ast.Assign) and getattr(node.targets[0], "attr", "") == "contributors"
        if names:
            fine |= set(ast.walk(node))
        if is_call_of(node, {"_", "translate"} | LOGGING):
            fine |= {inner for argument in node.args for inner in ast.walk(argument)}
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str) or node in fine:
            continue
        words = re.sub(r"<[^>]*>|\{[^}]*\}|&\w+;", " ", node.value)
        if re.search(r"[A-Za-z]{2,}\s+[A-Za-z]{2,}", words):
            found.append(f"{path.name}:{node.lineno}: {node.value!r}")
    return found


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_every_text_can_be_translated(path):
    assert untranslated(path) == []


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_translated_texts_are_literals(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if is_call_of(node, {"_"}) and isinstance(node.func, ast.Name):
            [argument] = node.args
            assert isinstance(argument, ast.Constant), f"{path.name}:{node.lineno}"
            assert isinstance(argument.value, str)


def test_the_check_of_texts_finds_some(tmp_path):
    path = tmp_path / "bad.py"
    path.write_text(
        "def f(w):\n    '''Doc string here.'''\n    w.text = 'Hello to you'\n    w.text = _('Fine by me')\n"
    )
    assert [line.split(": ")[0] for line in untranslated(path)] == ["bad.py:3"]


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_no_word_reaches_a_widget_untranslated(path):
    assert untranslated_shown(path) == []


@pytest.mark.parametrize(
    "line",
    [
        "w.text = 'Ready'",
        "w.windowTitle = 'Ready' if f else _('Busy')",
        "w.setText('Ready')",
        "w.addItem('Ready', 'key')",
        "w.insertItem(0, 'Ready')",
        "w.text = 'Ready {}'.format(_('now'))",
        "w.text = f'Ready {f}'",
        "w.text = _('So') + 'Ready'",
        "w.text, w.value = 'Ready', 1",
        "slicer.util.infoDisplay(_('Done'), windowTitle='Ready')",
        "t = 'Ready'; w.setToolTip(t)",
        "t = _('So')\n    t += 'Ready'\n    w.text = t",
        "t = [_('So')]\n    t.append('Ready')\n    w.text = '\\n'.join(t)",
        "t = {1: 'Ready'}; w.text = t[1]",
        "for t, v in ((_('So'), 'so'), ('Ready', 'r')): w.addItem(t, v)",
        "say(w, 'Ready')\ndef say(w, t):\n    w.text = t",
        "w.text = state()\ndef state():\n    return 'Ready'",
        "self.say('Ready')\nclass A:\n    def say(self, t):\n        self.w.text = t",
    ],
)
def test_the_check_of_words_finds(tmp_path, line):
    path = tmp_path / "bad.py"
    path.write_text(f"def f(w):\n    {line}\n")
    assert len(untranslated_shown(path)) == 1
    line = re.sub(r"f?('Ready[^']*')", r"_(\1)", line)
    path.write_text(f"def f(w):\n    {line}\n")
    assert untranslated_shown(path) == []


def test_the_check_of_words_lets_through(tmp_path):
    path = tmp_path / "good.py"
    path.write_text(
        "def f(w, answer):\n"
        "    w.text = answer['message']\n"
        "    w.addItem(_('Fine'), 'key')\n"
        "    w.text = _('{a} of {b}').format(a='key', b=2)\n"
        "    w.text = '<b>{}</b>'.format(_('Fine'))\n"
        "    w.connect('clicked(bool)', f)\n"
        "    w.text = _('Fine') if answer['kind'] == 'key' else ''\n"
    )
    assert untranslated_shown(path) == []


@pytest.mark.parametrize("path", sorted(MODULE.rglob("*.ui")), ids=lambda path: path.name)
def test_ui_files(path):
    tree = ElementTree.parse(path)
    names = [widget.get("name") for widget in tree.iter("widget")]
    assert len(names) == len(set(names))
    assert tree.getroot().find("class").text == path.stem == names[0]
    custom = {entry.find("class").text for entry in tree.iter("customwidget")}
    used = {widget.get("class") for widget in tree.iter("widget")}
    assert {name for name in used if not name.startswith("Q")} == custom
    for entry in tree.iter("property"):
        text = entry.find("string")
        if text is not None and entry.get("name") in ("styleSheet", "SlicerParameterName", "suffix"):
            assert text.get("notr") == "true"
    for connection in tree.iter("connection"):
        assert {connection.find("sender").text, connection.find("receiver").text} <= set(names)


def test_every_node_selector_gets_the_scene():
    for path in MODULE.rglob("*.ui"):
        tree = ElementTree.parse(path)
        selectors = {w.get("name") for w in tree.iter("widget") if w.get("class").startswith("qMRMLNode")}
        connected = {
            c.find("receiver").text
            for c in tree.iter("connection")
            if c.find("slot").text == "setMRMLScene(vtkMRMLScene*)"
        }
        assert selectors <= connected


# --- Extensions Index


def metadata() -> dict[str, str]:
    """EXTENSION_* of the top CMakeLists.txt."""
    prefix = "EXTENSION_"
    return {
        arguments[0].removeprefix(prefix): arguments[1]
        for name, arguments in commands(ROOT / "CMakeLists.txt")
        if name == "set" and arguments[0].startswith(prefix) and len(arguments) == 2
    }


def test_top_cmake_is_that_of_an_extension():
    found = [(name, " ".join(arguments)) for name, arguments in commands(ROOT / "CMakeLists.txt")]
    assert [entry for entry in found if entry[0] != "set"] == [
        ("cmake_minimum_required", "VERSION 3.28.0...3.28.0 FATAL_ERROR"),
        ("project", "CrossModalSynth"),
        ("find_package", "Slicer REQUIRED"),
        ("include", "${Slicer_USE_FILE}"),
        ("add_subdirectory", "CrossModalSynth"),
        ("add_subdirectory", "SynthLogic"),
        ("include", "${Slicer_EXTENSION_GENERATE_CONFIG}"),
        ("include", "${Slicer_EXTENSION_CPACK}"),
    ]


def test_every_folder_of_cmake_exists():
    for folder in ("", "CrossModalSynth", "CrossModalSynth/Testing"):
        for name, arguments in commands(ROOT / folder / "CMakeLists.txt"):
            if name == "add_subdirectory":
                assert (ROOT / folder / arguments[0] / "CMakeLists.txt").is_file(), arguments[0]


def test_extension_metadata():
    found = metadata()
    assert set(found) == {
        "HOMEPAGE",
        "CONTRIBUTORS",
        "DESCRIPTION",
        "ICONURL",
        "SCREENSHOTURLS",
        "DEPENDS",
    }
    assert found["HOMEPAGE"].startswith("https://")
    assert len(found["DESCRIPTION"]) > 50
    for url in [found["ICONURL"], *found["SCREENSHOTURLS"].split()]:
        assert url.startswith("https://raw.githubusercontent.com/")
        assert (ROOT / url.split("/main/")[1]).is_file(), url
        assert url.endswith(".png")


# What the schema that an entry names (slicer-extension-catalog-entry-schema-v1.0.1) knows.
SCHEMA = (
    "https://raw.githubusercontent.com/Slicer/Slicer/main/Schemas/"
    "slicer-extension-catalog-entry-schema-v1.0.1.json#"
)
REQUIRED = {"$schema", "category", "scm_url"}
KNOWN = {
    "$schema": str,
    "build_dependencies": list,
    "build_subdirectory": str,
    "category": str,
    "enabled": bool,
    "scm_revision": str,
    "scm_type": str,
    "scm_url": str,
    "tier": int,
}


def test_index_entry():
    [path] = ROOT.glob("*.json")
    [project] = [arguments[0] for name, arguments in commands(ROOT / "CMakeLists.txt") if name == "project"]
    assert path.stem == project
    entry = json.loads(path.read_text())
    assert set(entry) >= REQUIRED
    for key, value in entry.items():
        assert type(value) is KNOWN[key], key
    assert entry["$schema"] == SCHEMA
    assert entry["category"] == "Image Synthesis"
    assert f'"{entry["category"]}"' in (MODULE / "CrossModalSynth.py").read_text()
    assert entry["build_dependencies"] == ["PyTorch"] == metadata()["DEPENDS"].split()
    assert entry["build_subdirectory"] == "."
    assert entry["scm_type"] == "git"
    assert entry["scm_url"] == f"{metadata()['HOMEPAGE']}.git"
    assert entry["scm_url"].startswith("https://")
    assert entry["scm_url"].endswith(f"/Slicer{project}.git")
    assert entry["tier"] in (1, 3, 5)


def test_requirements_leave_torch_to_its_extension():
    names = []
    for line in (MODULE / "Resources" / "requirements.txt").read_text().splitlines():
        assert re.fullmatch(r"[a-z][a-z0-9-]*>=[\d.]+", line), line
        names.append(line.split(">=")[0])
    assert "torch" not in names
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    # The rest comes with Slicer, or is of the command line only.
    known = {"numpy", "scipy", "simpleitk", "torch", "typer", "rich"}
    assert set(names) == {re.split(r"[><=]", line)[0].lower() for line in project} - known


def test_icons_are_square_png():
    for path in (MODULE / "Resources" / "Icons").iterdir():
        head = path.read_bytes()[:24]
        assert head[:8] == b"\x89PNG\r\n\x1a\n"
        width, height = int.from_bytes(head[16:20]), int.from_bytes(head[20:24])
        assert (width, height) == (128, 128)


def test_checkout_is_small_and_has_unix_lines():
    answer = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    files = [ROOT / name for name in answer.decode().split("\0") if name]
    assert (ROOT / "LICENSE") in files
    assert sum(path.stat().st_size for path in files if path.is_file()) < 100e6
    for path in files:
        if path.suffix in (".py", ".ui", ".txt", ".md", ".json", ".yaml", ".toml") and path.is_file():
            assert b"\r\n" not in path.read_bytes(), path
