"""What a wrong name is answered with."""
import difflib


def unknown(what, name, names):
    """A sentence for an error: `unknown model 'vit_tyni': did you mean 'vit_tiny'?`, or the names there are."""
    near = difflib.get_close_matches(str(name), [str(known) for known in names], n=1)
    return f"unknown {what} {str(name)!r}" + (f": did you mean {near[0]!r}?" if near
                                              else f"; there are: {', '.join(sorted(map(str, names)))}")
