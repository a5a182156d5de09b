"""The text of a `.cu` file as a compiler gets it: compile-time constants first, shared headers in their place.

    // constants={"GROUP": 32} puts a line before the file:   constexpr int GROUP = 32;
    #include "rows.cuh"                                       a header beside the file

Headers are put in here, not by the compiler, so that the text is all there is to know about a kernel: to compile it, to
check it, and to tell whether it has changed. Lines keep the numbers of their files in every message.
"""
import re
from pathlib import Path

INCLUDE = re.compile(r'^#include "(?P<name>\w+\.cuh)"$', re.MULTILINE)


def source(path, constants=None):
    """The whole text of the `.cu` file at `path`; constants: {name: integer}."""
    declared = "".join(f"constexpr int {name} = {value};\n" for name, value in (constants or {}).items())
    return f'{declared}#line 1 "{Path(path).name}"\n{with_headers(path)}'


def with_headers(path):
    """The text of a file, its headers in their place."""
    path = Path(path)
    text = path.read_text(encoding="utf-8")

    def header(found):
        line = text.count("\n", 0, found.start()) + 2               # the one after the include
        return f'#line 1 "{found["name"]}"\n{with_headers(path.with_name(found["name"]))}\n#line {line} "{path.name}"'
    return INCLUDE.sub(header, text)
