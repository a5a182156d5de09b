"""Structural findings: what is true of a wrong result, where the mistake itself is not known.

A finding is a function that returns a sentence, or None where it is not so; a module gives its findings by name, the
most specific first. All of them are computed, none is guessed: "sqrt(K) times the right one" is said where yours =
sqrt(K) * expected in all places of all cases.

    results      what findings look at: a `Result` is one output in all cases
    whole        of all numbers: a sign, a factor, axes exchanged
    comparisons  with what a result is made of: a term or a factor is missing
    inside       it comes out like that if one step on the way is changed
    places       where wrong numbers are
    between      one output is right, another is not; one case is, another is not
    behaviour    what a result depends on, from trying the function again
    parts        of some numbers: a factor along an axis, sums that are right
    shapes       of results of the wrong shape
"""
