"""Read a configuration: text in, frozen values out, or every fault at once with its place."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from axis.config import checks
from axis.config.endpoint import ADAPTERS
from axis.config.fault import ConfigError, Fault, Finding, key_text, suggestion
from axis.config.files import Reading
from axis.config.locate import KeyPath, Places
from axis.config.model import SECTIONS, Config
from axis.config.written import BOUNDS, LISTED, in_quotes, written_right

M = TypeVar("M", bound=BaseModel)
Fields = Mapping[str, FieldInfo]
KnownFields = Callable[[Mapping[str, Any], KeyPath], Fields]

_AT: Final = re.compile(
    r"(?P<what>.*) \(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of document)\)", re.DOTALL
)
_HEADER: Final = re.compile(r"\s*\[\[?\s*([a-z]+)\s*\]")
_LEVELS: Final = {
    "commune": "xã, phường, thị trấn, đặc khu, ward",
    "district": "huyện, quận, thị xã",
    "province": "tỉnh, thành phố, sở",
    "central": "trung ương, bộ, ministry, national",
}
"""What people write for a level, in place of our words."""
_KINDS: Final = {
    "bool_type": "must be true or false",
    "string_type": "must be text in quotes",
    "int_type": "must be a whole number",
    "tuple_type": "must be a list in brackets",
    "frozen_set_type": "must be a list in brackets",
    "model_type": "must be a table",
    "model_attributes_type": "must be a table",
    "string_too_short": "must not be empty",
    "too_short": "must not be empty",
}


def load_config(text: str, path: Path, *, secrets: bool = True) -> Config:
    """Read the configuration that stands in `text`; `path` is its file, for relative paths and for messages.

    `ConfigError` with all faults. Files that the configuration names are opened, those that hold a secret only with
    `secrets`; the registry's content is not read: that is `axis.config.registry.load_registry`.
    """
    more = checks.findings if secrets else checks.without_secrets
    config, raw, places = read_model(text, path, Config, _known_fields, more, secrets=secrets)
    origins = tuple(
        f"{path.name}:{places.of_key(('route', index, 'prefix')).line}" for index in range(len(raw.get("route", ())))
    )
    return config.placed(path.absolute(), text, origins)


def load_file(path: Path, *, secrets: bool = True) -> Config:
    """`load_config` of a file."""
    return load_config(read_text(path), path, secrets=secrets)


def read_text(path: Path) -> str:
    """A file's text. What cannot be opened or is not UTF-8 is a fault like any other."""
    try:
        octets = path.read_bytes()
    except OSError as error:
        hint = "axis init DIR makes a configuration to begin with; -c names another one"
        if not isinstance(error, FileNotFoundError):
            hint = "run this as the node's own account, or let it read the file"
        raise ConfigError([Fault(path, 1, 1, "", (error.strerror or str(error)).lower(), hint, "")]) from None
    try:
        return octets.decode()
    except UnicodeDecodeError as error:
        before = octets[: error.start].decode()
        line, column = before.count("\n") + 1, error.start - (octets.rfind(b"\n", 0, error.start))
        fault = Fault(path, line, column, "", "the file is not UTF-8", "save it as UTF-8 (iconv -t UTF-8)", "")
        raise ConfigError([fault]) from None


def read_model(
    text: str,
    path: Path,
    model: type[M],
    known_fields: KnownFields,
    more: Callable[[Mapping[str, Any], Path], Iterable[Finding]],
    *,
    secrets: bool = True,
) -> tuple[M, Mapping[str, Any], Places]:
    """Read `text` as a `model`: what its types refuse and what `more` finds in the raw data, together.

    `known_fields` answers the fields of the table at a path.
    """
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([_syntax_fault(str(error), text, path)]) from None
    places = Places(text)
    read: M | None = None
    found: list[Finding] = []
    try:
        read = model.model_validate(raw, context=Reading(path.absolute().parent, secrets))
    except ValidationError as error:
        found = [_finding(item, raw, known_fields) for item in error.errors(include_url=False)]
        # Of a list with a bad item pydantic also says that it has too few.
        found = [one for one in found if not any(one.key == other.key[:-1] for other in found)]
    told = {finding.key for finding in found}
    found += [finding for finding in more(raw, path.absolute().parent) if finding.key not in told]
    if found or read is None:
        raise ConfigError(in_order(placed(finding, path, places) for finding in found))
    return read, raw, places


def in_order(faults: Iterable[Fault]) -> list[Fault]:
    return sorted(faults, key=lambda fault: (str(fault.path), fault.line, fault.column))


def placed(finding: Finding, path: Path, places: Places) -> Fault:
    """A finding with its place in the text."""
    place = places.of_key(finding.key) if finding.at_key else places.of_value(finding.key)
    hint = finding.hint
    if finding.first:
        hint = f"the first one stands in line {places.of_value(finding.first).line}"
    elif not finding.at_key and not places.knows(finding.key):
        hint = f"the key is not written, so its default counts; {hint}".removesuffix("; ")
    key = key_text(finding.key)
    return Fault(path, place.line, place.column, key, finding.reason, hint, places.line(place.line))


def _syntax_fault(message: str, text: str, path: Path) -> Fault:
    lines = text.split("\n")
    found = _AT.fullmatch(message)
    assert found is not None, message
    line, column = int(found["line"] or len(lines)), int(found["column"] or len(lines[-1]) + 1)
    source = lines[line - 1].rstrip("\r")
    hint = ""
    header = _HEADER.match(source)
    if text.startswith("\ufeff"):
        hint = "the file begins with a byte order mark: save it as UTF-8 without one"
    elif header is not None and header[1] in LISTED:
        hint = f"each one begins with [[{header[1]}]], in two brackets: look at the ones above too"
    elif re.search("[“”„‘’]", source):
        hint = 'quotes are straight: "text", not “text”'
    elif re.search(r"=\s*(?:True|False|TRUE|FALSE)\b", source):
        hint = "write true or false, in small letters"
    elif "Cannot overwrite" in message or "Cannot declare" in message or "twice" in message:
        hint = "this key or table was written before: join the two"
    elif re.match(r"\s*[\w.-]+\s*=\s*[^\s\"'\[{]", source) and "value" in message.lower():
        hint = "text stands in quotes"
    elif "Illegal character '\\n'" in message or "Unterminated string" in message:
        hint = "a text ends in its own line, with the quote that it begins with"
    elif "Unclosed array" in message:
        hint = "commas stand between the items of a list, and ] at its end"
    elif "Unescaped" in message:
        hint = "paths are written with /; a backslash in quotes is written twice"
    elif source.lstrip().startswith("["):
        hint = "the name of a table stands in brackets, alone in its line: [node], [[endpoint]]"
    else:
        hint = "a line is key = value, [table] or # a comment; text stands in quotes"
    reason = found["what"][:1].lower() + found["what"][1:]
    return Fault(path, line, column, "", reason, hint, source)


def _finding(
    item: ErrorDetails,
    raw: Mapping[str, Any],
    known_fields: KnownFields,
) -> Finding:
    """Tell one of pydantic's errors in our words."""
    key = _written(item["loc"], raw)
    kind, context = item["type"], item.get("ctx", {})
    match kind:
        case "axis":
            return Finding(key, context["reason"], context["hint"] or in_quotes(*_field(raw, key, known_fields)))
        case "extra_forbidden":
            known = sorted(known_fields(raw, key[:-1]))
            name = str(key[-1])
            return Finding(key, "unknown key", suggestion(name, known, f"known here: {', '.join(known)}"), at_key=True)
        case "missing":
            field = known_fields(raw, key[:-1]).get(str(key[-1]))
            example = json.dumps(field.examples[0], ensure_ascii=False) if field and field.examples else ""
            hint = f"add {key[-1]} = {example}" if example else f"add [{key_text(key)}]"
            return Finding(key, "is missing", hint, at_key=True)
        case "union_tag_not_found":
            return Finding((*key, "adapter"), "is missing", f"one of {', '.join(ADAPTERS)}", at_key=True)
        case "union_tag_invalid":
            wrong = str(context["tag"])
            hint = suggestion(wrong, ADAPTERS, f"one of {', '.join(ADAPTERS)}")
            return Finding((*key, "adapter"), f"unknown adapter {wrong!r}", hint)
        case "enum" | "literal_error":
            allowed = re.findall(r"'([^']*)'", str(context["expected"]))
            meant = [name for name, words in _LEVELS.items() if str(item["input"]).lower() in words.split(", ")]
            wrong = meant[0] if meant and meant[0] in allowed else str(item["input"])
            hint = suggestion(wrong, allowed, f"one of {', '.join(allowed)}")
            return Finding(key, f"unknown value {item['input']!r}", hint)
    bound = BOUNDS.get(kind)
    told = bound.format(next(iter(context.values()))) if bound else _KINDS.get(kind, item["msg"])
    _, field = _field(raw, key, known_fields)
    return Finding(key, told, written_right(kind, key, item["input"], field))


def _field(raw: Mapping[str, Any], key: KeyPath, known_fields: KnownFields) -> tuple[str, FieldInfo | None]:
    """The name of a key, or of the list that it is an item of, and what may stand there, where that is known."""
    last = max(place for place, part in enumerate(key) if isinstance(part, str))
    name = str(key[last])
    return name, known_fields(raw, key[:last]).get(name)


def _written(loc: tuple[int | str, ...], raw: Any) -> KeyPath:
    """The path as it is written: pydantic puts the name of the union's member between."""
    key: list[int | str] = []
    here = raw
    for place, part in enumerate(loc):
        inside = isinstance(here, dict) and part in here
        if inside or (isinstance(here, list) and isinstance(part, int)):
            here = here[part]
        elif place + 1 < len(loc) and part in ADAPTERS:
            continue
        else:
            here = None
        key.append(part)
    return tuple(key)


def _known_fields(raw: Mapping[str, Any], table: KeyPath) -> Fields:
    """The fields of a table of the configuration; none where the data do not tell which table it is."""
    if not table:
        return Config.model_fields
    section = str(table[0])
    if section == "endpoint" and len(table) > 1:
        return ADAPTERS[raw["endpoint"][table[1]]["adapter"]].model_fields
    return SECTIONS[section].model_fields
