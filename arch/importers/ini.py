"""INI files with the place of every value, read as Python's configparser does.

``key = value`` and ``key : value``, section heads in brackets, whole-line remarks behind ``#`` or
``;``, keys without regard to case, longer values on deeper indented lines.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from arraysmith.arch.errors import Fault

_HEAD = re.compile(r"\[(.+)\]")
_OPTION = re.compile(r"([^:=]*?)\s*[:=](\s*)(.*)")


@dataclass(frozen=True, slots=True)
class Entry:
    """One value.

    Attributes:
        key: as written.
        text: the value, blanks around it cut.
        line: of the value, counted from 1.
        column: of the value, counted from 1.
    """

    key: str
    text: str
    line: int
    column: int


@dataclass
class IniFile:
    """Sections of an INI file and what is wrong with its form.

    Attributes:
        file: path as the user gave it.
        sections: line of every section head, by name.
        entries: values by (section, key in lower case).
        faults: lines that are neither; keys and sections given twice.
    """

    file: str
    sections: dict[str, int] = field(default_factory=dict)
    entries: dict[tuple[str, str], Entry] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    def fault(self, entry: Entry, name: str, rule: str, hint: str = "") -> None:
        """Note a fault of one value."""
        self.faults.append(Fault(name, entry.text, rule, hint, self.file, entry.line, entry.column))


def parse_ini(text: str, file: str = "") -> IniFile:
    """Return the content of an INI file; ``file`` is the name that faults carry."""
    found = IniFile(file)
    section, last, depth = "", "", 0
    for number, line in enumerate(text.splitlines(), start=1):
        body = line.strip()
        if not body or body[0] in "#;":
            continue
        indent = len(line) - len(line.lstrip())
        if last and indent > depth:
            entry = found.entries[section, last]
            longer = f"{entry.text}\n{body}".strip()
            found.entries[section, last] = Entry(entry.key, longer, entry.line, entry.column)
            continue
        depth, last = indent, ""
        head = _HEAD.match(body)
        if head:
            section = head[1]
            if section in found.sections:
                rule = f"section stands in line {found.sections[section]} already"
                found.faults.append(
                    Fault(section, "", rule, "keep one of them", file, number, indent + 1)
                )
            found.sections.setdefault(section, number)
            continue
        option = _OPTION.fullmatch(body)
        if option is None or not option[1] or not section:
            rule = "must be [section], key = value or a remark"
            if option is not None and not section:
                rule = "a value must stand below a section"
            found.faults.append(Fault(section, body, rule, "", file, number, indent + 1))
            continue
        key = option[1].lower()
        column = indent + len(body) - len(option[3]) + 1
        entry = Entry(option[1], option[3], number, column)
        if (section, key) in found.entries:
            rule = f"key stands in line {found.entries[section, key].line} already"
            found.fault(entry, f"{section}.{option[1]}", rule, "keep one of them")
            continue
        found.entries[section, key] = entry
        last = key
    return found
