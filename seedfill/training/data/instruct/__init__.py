"""Instructed edits made from ordinary code: what a person might have asked for, undone in a file that already has it.

`source` finds nodes and their characters, `additions`, `rewrites` and `cleanups` hold the transformations, one function
each, `wordings` says how people ask for them, and `pairs` puts a file, a transformation and a wording together.
"""
