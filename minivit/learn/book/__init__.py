"""The book: all lessons as they ran, in one HTML file that needs nothing else. `minivit learn build` makes it.

- `recorder`, `recording`: a lesson is run, and what its cells print and draw is kept
- `prose`, `source`: Markdown and source code as HTML
- `chapters`: a lesson as a chapter, with its exercises as boxes
- `forms`: the chapter that sets the forms of each operation side by side
- `page`: all of it in one page; `page.html`, `style.css` and `book.js` are filled in there
"""
