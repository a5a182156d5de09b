"""HTML pages that need nothing else: a template is filled in, and a policy forbids all that does not stand in the page.

- `filled(template, texts)`: the template with its {{NAME}} replaced
- `digest(text)`: what a page's Content-Security-Policy calls a style or a script, by its SHA-256
"""
import base64
import hashlib


def filled(template, texts):
    """`template` with each {{NAME}} replaced by texts[NAME]. What is filled in is never searched for more."""
    before, *rest = template.split("{{")
    pieces = [before]
    for piece in rest:
        name, after = piece.split("}}", 1)
        pieces += [texts[name], after]
    return "".join(pieces)


def digest(text):
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
