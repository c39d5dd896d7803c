"""The answer of a sweep: figures and one page, drawn from whatever varied.

`study` finds out what to draw against what, `targets` what power a target takes, `figures` draws,
`page` writes the HTML, `write` puts it all into the sweep's folder.
"""
