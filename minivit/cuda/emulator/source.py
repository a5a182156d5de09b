"""The C++ text that stands for a `.cu` text: CUDA's words before it, the ways into its kernels after it."""
import ast
import operator
import re
from pathlib import Path

from minivit.cuda.signature import kernels_of, without_comments

MOST_DYNAMIC = 227 << 10        # bytes of dynamic shared memory: the most that any architecture offers a block
SIZES = {"char": 1, "bool": 1, "short": 2, "int": 4, "unsigned": 4, "float": 4, "double": 8, "float2": 8, "float4": 16,
         "int4": 16, "unsigned char": 1, "unsigned int": 4, "long long": 8, "unsigned long long": 8}
OPERATORS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.floordiv}
LINE = re.compile(r'^#line (?P<number>\d+) "(?P<file>[^"\n]+)"$', re.MULTILINE)
OF_A_PROGRAM = {
    r"^#\s*include\b": "no header is there: CUDA's words and functions are known without one. Delete the line (a "
                       "header of your own stands beside the file, and goes in with it: emulate(path))",
    r"<<<": "launches are made from Python: get_function(name)(grid, block, args)",
}
DYNAMIC = re.compile(r"extern\s+__shared__\s+(?:(?:__align__|alignas)\s*\([^()]*\)\s*)?"
                     r"(?P<type>\w[\w\s]*?)\s+(?P<name>\w+)\s*\[\s*\]")


def constant_lines(constants):
    """`constexpr` lines for {name: int, float or bool}: the compile-time constants of a kernel."""
    kinds = {bool: "bool", int: "int", float: "float"}
    lines = []
    for name, value in (constants or {}).items():
        if type(value) not in kinds:
            raise TypeError(f"constant {name} must be an int, a float or a bool, not {value!r}")
        written = str(value).lower() if isinstance(value, bool) else f"{value!r}f" if type(value) is float else value
        lines.append(f"constexpr {kinds[type(value)]} {name} = {written};\n")
    return "".join(lines)


def dynamic_arrays(text):
    """{name: type} of the arrays declared `extern __shared__ type name[]`."""
    return {found["name"]: found["type"] for found in DYNAMIC.finditer(without_comments(text))}


def first_file(text):
    """The file that the first `#line` of a text names, or None: a launcher may have put its own lines before it."""
    found = LINE.search(text)
    return found and Path(found["file"]).name


def files_of(text, file):
    """The files that a text is made of: `file`, and those that its `#line` directives name."""
    return list(dict.fromkeys([file, *(Path(found["file"]).name for found in LINE.finditer(text))]))


def lines_of(text, file):
    """{(file, number): line} of a text that begins in `file` and goes on as its `#line` directives say."""
    lines, number = {}, 1
    for line in text.splitlines():
        found = LINE.match(line)
        if found:
            file, number = Path(found["file"]).name, int(found["number"])
        else:
            lines[file, number] = line.strip()
            number += 1
    return lines


def of_a_program(text, file):
    """A sentence about the first line that belongs in a program, not in the text of a kernel; None: there is none."""
    lines = lines_of(text, file)
    for (name, number), line in lines_of(without_comments(text), file).items():
        for pattern, why in OF_A_PROGRAM.items():
            if re.search(pattern, line):
                return f"{name}:{number}: {why}\n    {lines[name, number]}"
    return None


def translation_unit(text, file, constants):
    """A whole C++ file that holds `text` unchanged, with its own line numbers.

    After it: the memory behind `extern __shared__`, and for every kernel `minivit_run_NAME(arguments)`.
    Raises ValueError where one file declares two such arrays: on a GPU they are the same bytes, here they would not be.
    """
    dynamic = dynamic_arrays(text)
    if len(dynamic) > 1:
        raise ValueError(f"{file} declares {len(dynamic)} arrays `extern __shared__` ({', '.join(dynamic)}). They are "
                         f"the same memory: declare one, and cut it up with pointers")
    files = files_of(text, file)

    def numbered(found):                                # for MINIVIT_LINE
        number = files.index(Path(found["file"]).name)
        return f"#undef MINIVIT_FILE\n#define MINIVIT_FILE {number}\n{found[0]}"
    parts = ['#include "cuda.h"\n#define MINIVIT_FILE 0\n', '#line 1 "constants"\n', constant_lines(constants),
             f'#line 1 "{file}"\n', LINE.sub(numbered, text), '\n#line 1 "minivit"\n']
    for name, kind in dynamic.items():
        parts.append(f"__attribute__((aligned(128))) thread_local {kind} {name}[{MOST_DYNAMIC} / sizeof({kind})];\n")
    parts.append("static thread_local char minivit_marker[4];\n"
                 '#define MINIVIT_OUTSIDE extern "C" __attribute__((visibility("default"), no_sanitize("thread")))\n'
                 "MINIVIT_OUTSIDE char* minivit_shared_marker() { return minivit_marker; }\n"
                 f"MINIVIT_OUTSIDE char* minivit_dynamic() {{ return (char*){next(iter(dynamic), 'nullptr')}; }}\n")
    for name in kernels_of(text):
        parts.append(f"MINIVIT_OUTSIDE void minivit_run_{name}(void** a) {{ minivit_run({name}, a); }}\n")
    return "".join(parts)


def shared_shapes(text, constants):
    """{name: (bytes of an element, shape)} of the `__shared__` variables whose declarations can be read.

    The compiler's tables hold names and sizes only; with the shape, a message can say `tile[2][5]`.
    """
    text = without_comments(text)
    known = dict(constants)
    for name, value in re.findall(r"(?:constexpr\s+int|const\s+int|#define)\s+(\w+)\s*=?\s+([^;\n]+)", text):
        known.setdefault(name, _value(value, known))
    shapes = {}
    for kind, variables in re.findall(r"__shared__\s+(?:volatile\s+|(?:__align__|alignas)\s*\(\d+\)\s*)*"
                                      r"((?:unsigned |long )*\w+)\s+([^;=]+);", text):
        for name, lengths in re.findall(r"(\w+)\s*((?:\[[^\]]*\]\s*)*)(?:,|$)", variables):
            shape = tuple(_value(length or "0", known) for length in re.findall(r"\[([^\]]*)\]", lengths))
            if kind in SIZES and None not in shape:
                shapes.setdefault(name, set()).add((SIZES[kind], shape))
    return {name: found.pop() for name, found in shapes.items() if len(found) == 1}     # two kernels may differ


def _value(expression, known):
    """What an integer expression of C is worth; None where it is more than numbers, names and + - * /."""
    def value(node):
        if isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
            left, right = value(node.left), value(node.right)
            return OPERATORS[type(node.op)](left, right)
        return int(node.value) if isinstance(node, ast.Constant) else int(known[node.id])
    try:
        return value(ast.parse(expression.strip(), mode="eval").body)
    except (SyntaxError, KeyError, AttributeError, TypeError, ValueError, ZeroDivisionError):
        return None
