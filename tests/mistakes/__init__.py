"""The named wrong answers as a learner has them in their file: minivit's solution with a part of it written otherwise.

    MISTAKES[slug][name] = (before, after, before, after ...)       each `before` is once in the code of the solution
    MISTAKES[slug][name] = text                                     all that the function does

The exercises hold functions that compute the same; these are other texts for them, so that the checker must know a
mistake by what it does. Wrong answers in CUDA are texts already.
"""
from mistakes import lesson_16, lessons_1_3, lessons_4_6, lessons_7_9, lessons_10_13, lessons_14_15

MISTAKES = {slug: rows for lessons in (lessons_1_3, lessons_4_6, lessons_7_9, lessons_10_13, lessons_14_15, lesson_16)
            for slug, rows in lessons.MISTAKES.items()}
