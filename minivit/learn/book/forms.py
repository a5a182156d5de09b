"""The chapter that sets the three forms of each operation side by side, cut out of the files that run.

- `operations()`: {module: [Function]}, of those with three forms
- `forms_chapter(links)`: its HTML
- `targets()`: {file: fragment}, of the files that it shows
"""
import html
import inspect
import sys
import textwrap
from pathlib import Path

from minivit import ops
from minivit.cuda.signature import KERNEL
from minivit.function import FORMS, FUNCTIONS
from minivit.learn.book.prose import linked, prose
from minivit.learn.book.source import listing

FOLDER = Path(ops.__file__).parent
HEADERS = {"rows.cuh": "reductions over a row", "column_sums.cuh": "sums over columns", "philox.cuh": "random numbers"}
TITLES = {"softmax": "Softmax and log-softmax", "cross_entropy": "Cross-entropy", "attention": "Attention",
          "layernorm": "Layer norm", "gelu": "GELU", "dropout": "Dropout and drop path"}        # as lessons meet them
SHORT = 30                          # lines of a file's rest that are not folded away
INTRODUCTION = """\
<p>Each of these operations is written three times. <b>Composed</b> is the definition, in Tensor arithmetic: autograd
finds its gradient, and the other two are checked against it. <b>NumPy</b> is forward and backward by hand, on arrays.
<b>CUDA</b> is the same for a GPU; the Python that launches its kernels only allocates, and is left out. What stands
here is cut out of the files that run, with the same names in the same order in all three. Lesson 12 tells how to read a
kernel.</p>"""


def operations():
    """{module: [Function]} of the modules of minivit.ops, and of each the Functions that have all of FORMS."""
    found = {name: [] for name in TITLES}
    for function in FUNCTIONS.values():
        package, _, name = function.__module__.rpartition(".")
        if package == ops.__name__ and set(FORMS) <= set(function.forms):
            found.setdefault(name, []).append(function)
    return {name: functions for name, functions in found.items() if functions}


def targets():
    """{file: fragment} of the source files that the chapter shows."""
    shown = {f"minivit/ops/{name}.{ending}": f"forms-{name}" for name in operations() for ending in ("py", "cu")}
    return shown | {f"minivit/ops/{name}": "forms-shared" for name in HEADERS}


def forms_chapter(links):
    """HTML of the chapter. links: see `prose.linked`."""
    parts = ['<h2 id="forms">Each op in three forms</h2>', linked(INTRODUCTION, links)]
    for name, functions in operations().items():
        parts += [f'<h3 id="forms-{name}">{TITLES.get(name, name)}</h3>', *_operation(name, functions, links)]
    parts.append('<h3 id="forms-shared">What the kernels share</h3>')
    parts += [_folded(f"minivit/ops/{name}: {what}", (FOLDER / name).read_text("utf-8"))
              for name, what in HEADERS.items()]
    return "\n".join(parts)


def _operation(name, functions, links):
    yield linked(prose(sys.modules[functions[0].__module__].__doc__.strip(), "forms"), links)
    blocks = _blocks((FOLDER / f"{name}.cu").read_text("utf-8"))
    kernels = {KERNEL.search(block)["name"]: block for block in blocks if KERNEL.search(block)}
    shown = set()
    for function in functions:
        launchers = _sources(function.forward_cuda, set()) + _sources(function.backward_cuda, set())
        composed = _sources(function.forms["composed"], shown)
        by_hand = _sources(function.forward, shown) + _sources(function.backward, shown)
        launched = [block for kernel, block in kernels.items() if any(f'"{kernel}"' in text for text in launchers)]
        forms = (("Composed", f"{name}.py", composed, "python"), ("NumPy", f"{name}.py", by_hand, "python"),
                 ("CUDA", f"{name}.cu", launched, "cuda"))
        yield f'<h4 id="forms-{name}-{function.name}"><code>{function.name}</code></h4>\n<div class="forms">'
        for form, file, texts, language in forms:
            code = listing("\n\n".join(texts), language)
            yield f"<div><h5>{form} <span>{file}</span></h5>{code}</div>"
        yield "</div>"
    rest = "\n\n".join(block for block in blocks if block not in kernels.values())
    if ";" in rest:                                         # else it is a comment and an #include
        yield _folded(f"The rest of minivit/ops/{name}.cu", rest)


def _sources(function, shown):
    """The text of a function, and of those of its module that it calls; `shown` gathers names, none comes twice."""
    if function.__qualname__ in shown:
        return []
    shown.add(function.__qualname__)
    module = sys.modules[function.__module__]
    called = [getattr(module, name, None) for name in function.__code__.co_names]
    texts = [textwrap.dedent(inspect.getsource(function)).removeprefix("@staticmethod\n").rstrip()]
    for other in called:
        if inspect.isfunction(other) and other.__module__ == function.__module__:
            texts += _sources(other, shown)
    return texts


def _blocks(text):
    """The parts of a CUDA file, which blank lines outside of braces separate."""
    blocks, depth = [[]], 0
    for line in text.splitlines():
        depth += line.count("{") - line.count("}")
        if line.strip() or depth:
            blocks[-1].append(line)
        elif blocks[-1]:
            blocks.append([])
    return ["\n".join(block) for block in blocks if block]


def _folded(title, text):
    is_open = " open" if text.count("\n") < SHORT else ""
    return (f'<details class="rest"{is_open}><summary>{html.escape(title)}</summary>\n'
            f'{listing(text.rstrip(), "cuda")}</details>')
