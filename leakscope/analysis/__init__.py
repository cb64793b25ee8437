"""
Pure functions from dumps to what can be concluded from them: columns in, columns out.

They know how memory behaves over time and over stacks; they refuse to accuse anyone, which is what rules are for.
`facts.Facts` is the one that imports the others.
"""
