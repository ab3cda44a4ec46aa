"""Who may import whom, read from the sources."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import cam_audit

PACKAGE = Path(cam_audit.__file__).parent
# Lower layers first. A module imports modules of its own layer and of those below.
LAYERS = (
    {"errors", "records", "text", "files", "folders", "inside", "workers", "version"},
    {"images", "cam"},
    {"models", "overlay", "sheets"},
    {"findings"},
    {"reports"},
    {"scan"},
    {"live"},
    {"cli", "__main__"},
)
# Libraries that only these parts may import; torch is for scripts and tests.
ONLY_IN = {
    "click": {"cli"},
    "tqdm": {"cli"},
    "onnxruntime": {"models"},
    "onnx": {"models"},
    "PIL": {"images"},
    "platformdirs": {"models"},
    "isal": {"images"},
    "filelock": {"scan"},
    "threadpoolctl": {"workers"},
    "jinja2": {"reports"},
    "ray": {"scan"},
    "torch": set(),
    "torchvision": set(),
}


def part(module: str) -> str:
    """`cam_audit.findings.cues.border` -> `findings`."""
    return module.split(".")[1] if "." in module else "cam_audit"


MODULES = {
    ".".join(("cam_audit", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}
TREES = {module: ast.parse(path.read_text(encoding="utf-8")) for module, path in MODULES.items()}


@cache
def imports(module: str) -> tuple[tuple[str, ast.stmt], ...]:
    """Every module that `module` imports, wherever in its source, with the statement."""
    found: list[tuple[str, ast.stmt]] = []
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.Import):
            found += ((alias.name, node) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{module} imports relatively"
            name = node.module or ""
            for alias in node.names:
                found.append((f"{name}.{alias.name}" if f"{name}.{alias.name}" in MODULES else name, node))
    return tuple(found)


@cache
def typing_only(module: str) -> frozenset[ast.stmt]:
    """The statements of a module that only type checkers run."""
    ifs = (node for node in ast.walk(TREES[module]) if isinstance(node, ast.If))
    return frozenset(node for found in ifs if ast.unparse(found.test) == "TYPE_CHECKING" for node in found.body)


@cache
def own_imports(module: str) -> frozenset[str]:
    """Modules of ours that the module imports when it runs."""
    return frozenset(name for name, node in imports(module) if name in MODULES and node not in typing_only(module))


def test_every_module_has_a_layer() -> None:
    known = {"cam_audit", "demo", *set().union(*LAYERS)}
    assert {part(module) for module in MODULES} <= known


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_its_layer_and_those_below(module: str) -> None:
    here = part(module)
    imported = {part(name) for name, _ in imports(module) if name.startswith("cam_audit.")}
    if here == "cam_audit":
        allowed = {"errors", "models", "scan", "version"}
    elif here == "demo":
        allowed = {"demo"}
    else:
        rank = next(index for index, layer in enumerate(LAYERS) if here in layer)
        allowed = set().union(*LAYERS[: rank + 1]) | ({"demo"} if here == "cli" else set())
    assert imported <= allowed


def test_no_modules_import_each_other_in_a_circle() -> None:
    parts = {part(module): set() for module in MODULES}
    for module in MODULES:
        parts[part(module)] |= {part(name) for name in own_imports(module)} - {part(module), "cam_audit"}
    parts.pop("cam_audit")
    TopologicalSorter(parts).prepare()
    TopologicalSorter({module: own_imports(module) - {"cam_audit", module} for module in MODULES}).prepare()


@pytest.mark.parametrize("library", ONLY_IN)
def test_a_library_is_imported_only_where_it_belongs(library: str) -> None:
    users = {part(module) for module in MODULES for name, _ in imports(module) if name.split(".")[0] == library}
    assert users <= ONLY_IN[library]


def calls(module: str) -> Iterator[str]:
    yield from (ast.unparse(node.func) for node in ast.walk(TREES[module]) if isinstance(node, ast.Call))


@pytest.mark.parametrize("module", MODULES)
def test_only_the_command_line_prints_and_ends_the_process(module: str) -> None:
    if part(module) not in {"cli", "__main__"}:
        loud = {"print", "sys.exit", "exit", "quit", "os._exit", "sys.stdout.write", "sys.stderr.write"}
        assert not loud & set(calls(module))


# What changes the process of whoever imports the library, and where it is allowed beside the command line: a limit
# that OpenCV reads when it is loaded, a function for programs, and what runs in worker processes of Ray.
OF_THE_PROCESS = {
    "cv2.setNumThreads",
    "ctypes.CDLL",
    "gc.disable",
    "logging.disable",
    "logging.basicConfig",
    "np.seterr",
    "os.chdir",
    "os.environ.setdefault",
    "os.fork",
    "os.putenv",
    "os.umask",
    "signal.signal",
    "signal.setitimer",
    "ort.create_and_register_allocator",
    "ort.set_default_logger_severity",
    "warnings.filterwarnings",
}
ALLOWED = {
    "cam_audit": {"os.environ.setdefault"},
    "cam_audit.scan.ray_worker": {"cv2.setNumThreads", "os.chdir"},
    "cam_audit.models.session": {"ort.create_and_register_allocator", "ort.set_default_logger_severity"},
}


@pytest.mark.parametrize("module", MODULES)
def test_only_the_command_line_changes_the_process(module: str) -> None:
    if part(module) != "cli":
        assert OF_THE_PROCESS & set(calls(module)) == ALLOWED.get(module, set())
        assert "set_up_runtime" not in calls(module) or module == "cam_audit.scan.ray_worker"


@pytest.mark.parametrize("module", MODULES)
def test_only_images_decodes(module: str) -> None:
    if part(module) != "images":
        decoders = {
            "cv2.imread",
            "cv2.imdecode",
            "cv2.imreadmulti",
            "cv2.imdecodemulti",
            "Image.open",
            "PIL.Image.open",
        }
        assert not decoders & set(calls(module))


def test_no_two_public_classes_have_one_name() -> None:
    names = Counter(
        node.name
        for tree in TREES.values()
        for node in tree.body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )
    assert [name for name, times in names.items() if times > 1] == []
