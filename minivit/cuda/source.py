"""The text of a `.cu` file as a compiler gets it: compile-time constants first, shared headers in their place.

    // constants={"GROUP": 32} puts a line before the file:   constexpr int GROUP = 32;
    #include "rows.cuh"                                       a header beside the file

Headers are put in here, not by the compiler, so that the text is all there is to know about a kernel: to compile it, to
check it, and to tell whether it has changed. Lines keep the numbers of their files in every message. A header stands
where it is first included, and only there.
"""
import re
from pathlib import Path

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*"(?P<name>[^"\n]+)".*$', re.MULTILINE)


def source(path, constants=None):
    """The whole text of the `.cu` file at `path`; constants: {name: integer}."""
    declared = "".join(f"constexpr int {name} = {value};\n" for name, value in (constants or {}).items())
    return f'{declared}#line 1 "{Path(path).name}"\n{with_headers(path)}'


def with_headers(path, included=None):
    """The text of a file, its headers in their place; included: those that stand somewhere already.

    Raises FileNotFoundError with the line that includes a header that is not there.
    """
    path = Path(path)
    text, included = path.read_text(encoding="utf-8"), set() if included is None else included

    def header(found):
        line, it = text.count("\n", 0, found.start()) + 1, path.parent / found["name"]
        if not it.is_file():
            raise FileNotFoundError(f"{path.name}:{line}: includes \"{found['name']}\", and there is no file {it}. "
                                    f"CUDA's own words and functions need no header")
        if it.resolve() in included:
            return ""
        included.add(it.resolve())
        return f'#line 1 "{it.name}"\n{with_headers(it, included)}\n#line {line + 1} "{path.name}"'
    return INCLUDE.sub(header, text)
