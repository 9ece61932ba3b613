"""Write docs/python-api.md: what the two public packages export, from signatures and docstrings."""

from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path
from types import FunctionType, ModuleType

import griffe

PACKAGES = ("clearml_snapshot.exporter", "clearml_snapshot.queries")
_OURS = "clearml_snapshot."
_STARS = {griffe.ParameterKind.var_positional: "*", griffe.ParameterKind.var_keyword: "**"}
_AS_READ = {"Texts()": ("tuple[str, ...]", "()")}
"""Type and default of fields that also accept another type."""
HEAD = """\
# The Python interface

<!-- Written by `make docs` out of the code; edit the docstrings. -->

These names are public. Everything else can change in any version. `clearml_snapshot` itself has
`export`, `open_dataset`, `Selection`, `TaskFilter` and `__version__`. Errors are subclasses of
`clearml_snapshot.exporter.errors.SnapshotError`; its message is what the command prints, with
arguments instead of options, and its `exit_code` is what the command ends with.
[catalogue.md](catalogue.md) lists the queries of `Dataset.query` with their parameters,
[../data/README.md](../data/README.md) the tables of `Dataset.sql`.
"""


def python_api() -> str:
    """Write the page as Markdown."""
    return "\n".join([HEAD, *(part for package in PACKAGES for part in _package(package))])


def exported(package: str) -> tuple[str, ...]:
    """Return the names that a package exports, in its order."""
    return tuple(import_module(package).__all__)


def _package(package: str) -> Iterator[str]:
    yield f"## `{package}`\n\n{_prose(_visited(import_module(package)))}"
    for name in exported(package):
        exported_object = getattr(import_module(package), name)
        source = _source(exported_object)
        if isinstance(source, griffe.Class):
            ours = [
                base for base in exported_object.__mro__[1:] if base.__module__.startswith(_OURS)
            ]
            yield from _class(source, [_source(base) for base in ours])
        else:
            yield from _function(source, "###")


def _source(exported_object: type | FunctionType) -> griffe.Object:
    """Read the source of a class or a function."""
    source: griffe.Object = _visited(import_module(exported_object.__module__))[
        exported_object.__name__
    ]
    return source


def _visited(module: ModuleType) -> griffe.Module:
    """Read a module's source; only this one, as a package with all below it takes seconds."""
    path, parser = Path(str(module.__file__)), griffe.Parser.google
    code = path.read_text(encoding="utf-8")
    return griffe.visit(module.__name__, filepath=path, code=code, docstring_parser=parser)


def _class(documented: griffe.Class, bases: Iterable[griffe.Object]) -> Iterator[str]:
    """Write a class: its fields, its properties and its methods, then those of its bases."""
    yield f"### `{documented.name}`\n\n{_prose(documented)}"
    members = [item for source in (documented, *bases) for item in source.members.items()]
    public = [member for name, member in members if not name.startswith("_")]
    fields = [member for member in public if isinstance(member, griffe.Attribute)]
    if fields:
        yield "\n".join(_field(field) for field in fields) + "\n"
    for member in public:
        if isinstance(member, griffe.Function):
            yield from _function(member, "####", f"{documented.name}.")


def _field(field: griffe.Attribute) -> str:
    """Write a field or a property: name, type, default, and what it is."""
    annotation, value = _AS_READ.get(str(field.value), (field.annotation, field.value))
    kind = str(annotation or "").removeprefix("Final").removeprefix("[").removesuffix("]")
    typed = f": {annotation}" if kind else ""
    has_default = value is not None and "class-attribute" in field.labels
    head = f"- `{field.name}{typed}" + (f" = {value}`" if has_default else "`")
    text = " ".join(_prose(field).split()).replace("Raises: - ", "Raises ")
    return f"{head}: {text}" if text else head


def _function(function: griffe.Object, level: str, prefix: str = "") -> Iterator[str]:
    assert isinstance(function, griffe.Function)
    given = [
        parameter for parameter in function.parameters if parameter.name not in {"self", "cls"}
    ]
    parts = ", ".join(_parameters(given))
    yield (
        f"{level} `{prefix}{function.name}`\n\n"
        f"    {function.name}({parts}) -> {function.returns}\n\n{_prose(function)}"
    )


def _parameters(given: list[griffe.Parameter]) -> Iterator[str]:
    """Write each parameter as it is in the source, with ``/`` and ``*`` where they belong."""
    before: griffe.ParameterKind | None = None
    for parameter in given:
        if before is griffe.ParameterKind.positional_only and parameter.kind is not before:
            yield "/"
        is_keyword = parameter.kind is griffe.ParameterKind.keyword_only
        if is_keyword and before not in {parameter.kind, griffe.ParameterKind.var_positional}:
            yield "*"
        stars = _STARS.get(parameter.kind or griffe.ParameterKind.positional_only, "")
        has_default = parameter.default is not None and not stars
        yield f"{stars}{parameter.name}: {parameter.annotation}" + (
            f" = {parameter.default}" if has_default else ""
        )
        before = parameter.kind


def _prose(documented: griffe.Object) -> str:
    """Write a docstring as Markdown: its text, then a list per section."""
    if documented.docstring is None:
        return ""
    options = {"returns_multiple_items": False, "returns_named_value": False, "warnings": False}
    parts = [_section(section) for section in documented.docstring.parse("google", **options)]
    return "\n\n".join(parts).replace("``", "`") + "\n"


def _section(section: griffe.DocstringSection) -> str:
    titles = {"parameters": "Arguments"}
    kind = section.kind.value
    if kind == "text":
        return str(section.value)
    lines = [_item(item) for item in section.value]
    return "\n".join([f"{titles.get(kind, kind.title())}:\n", *lines])


def _item(item: griffe.DocstringElement) -> str:
    name = getattr(item, "name", None) or (
        str(item.annotation) if isinstance(item, griffe.DocstringRaise) else ""
    )
    text = " ".join(item.description.split())
    return f"- `{name}`: {text}" if name else f"- {text}"
