"""What errors say: of wrong names, and of values out of somebody else's file.

- `unknown(what, name, names)`: a wrong name, and the nearest right one
- `shown(value)`: a value, or an exception that may quote one, cut to a readable length
"""
import difflib
import reprlib


def unknown(what, name, names):
    """A sentence for an error: `unknown model 'vit_tyni': did you mean 'vit_tiny'?`, or the names there are."""
    near = difflib.get_close_matches(str(name), [str(known) for known in names], n=1)
    return f"unknown {what} {str(name)!r}" + (f": did you mean {near[0]!r}?" if near
                                              else f"; there are: {', '.join(sorted(map(str, names)))}")


class _Shown(reprlib.Repr):
    """Long texts, lists and dictionaries with a gap: the repr of lists that share lists can be larger than memory."""

    def __init__(self):
        super().__init__()
        self.maxstring, self.maxlevel = 100, 3

    def repr_bytes(self, value, level):
        return repr(value[:60])

    def repr_instance(self, value, level):
        if isinstance(value, Exception):
            return f"{type(value).__name__}: {value}"[:200]
        return repr(value) if value is None or isinstance(value, (bool, float)) else f"<{type(value).__name__}>"


shown = _Shown().repr
