"""Tables and pages for people: Markdown, HTML, LaTeX, CSV."""
