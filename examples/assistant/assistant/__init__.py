"""A small assistant that answers questions over a folder of Markdown, and traces what it does.

Rule: a span is there because something happened. Without a model there is no LLM span.
"""
