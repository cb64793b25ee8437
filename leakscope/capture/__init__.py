"""
From a living process to ``.lks`` files: starting a program under the recorder, watching it, writing its dumps.

The file is the handshake: whatever is captured ends in a path.  Only ``session`` is loaded inside the traced program.
"""
