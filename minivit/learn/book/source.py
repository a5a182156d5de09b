"""Source code as HTML: each token that means something is a span with one of six classes.

- `highlighted(code, language)`: of "python" or "cuda"
- `listing(code, language)`: the same in a block of its own
"""
import html

from minivit.learn.extras import extra

# token of Pygments -> class; the first that contains a token counts, so the special ones stand first
CLASSES = {"Keyword.Constant": "number", "Keyword": "keyword", "Operator.Word": "keyword", "Comment.Preproc": "keyword",
           "Comment.PreprocFile": "text", "Comment": "comment", "Literal.String": "text", "Literal.Number": "number",
           "Name.Function": "name", "Name.Class": "name", "Name.Decorator": "name", "Name.Builtin": "builtin"}
LEXERS = {"python": "PythonLexer", "cuda": "CudaLexer"}


def highlighted(code, language):
    """HTML of `code`, to stand in a pre element. Raises OSError where Pygments is not installed."""
    lexers, of = extra("pygments.lexers"), extra("pygments.token").string_to_tokentype
    known = {of(name): css for name, css in CLASSES.items()}
    pieces, text, now = [], "", None                # neighbours of one class share a span
    for token, value in getattr(lexers, LEXERS[language])(stripnl=False, ensurenl=False).get_tokens(code):
        css = next((css for whole, css in known.items() if token in whole), None)
        if css != now and value.strip():
            pieces.append(_span(text, now))
            text, now = "", css
        text += value
    return "".join([*pieces, _span(text, now)])


def listing(code, language):
    """A block of highlighted code."""
    return f'<pre class="code"><code>{highlighted(code, language)}</code></pre>'


def _span(text, css):
    bare = text.rstrip()
    space, bare = text[len(bare):], html.escape(bare, quote=False)
    return (f'<span class="{css}">{bare}</span>' if css and bare else bare) + space
