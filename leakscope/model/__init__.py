"""
The nouns: frozen dataclasses over read-only columns.

They know shapes and how columns point at each other; they refuse to know files, processes, rules and words.  Import
them from their own modules; this package re-exports nothing, so that the traced program loads only what it names.
"""
