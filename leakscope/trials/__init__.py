"""
The same piece of work done again and again in a recorded process, and what each repetition leaves behind.

It knows how to tell a leak from a cache that fills by counting after every repetition; it refuses to know what the work
is, and who asks: a context manager, a test.  It runs inside the recorded process, so it uses the standard library only.
"""
