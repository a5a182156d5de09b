"""Findings that tell outputs apart, or cases: one is right, another is not."""
from minivit.learn.trials import agree, listed


def exchanged(results, wrong):
    """One output is what another one should be. results, wrong: {output: Result}."""
    for name, result in wrong.items():
        for other, right in results.items():
            if other != name and result.cases == right.cases and all(map(agree, result.yours, right.expected)):
                return f"{name} is what {other} should be."


def some_outputs(results, wrong):
    """Some outputs are right."""
    right = [name for name in results if name not in wrong]
    if right:
        return f"{listed(right)} {'is' if len(right) == 1 else 'are'} right: look at {listed(list(wrong))}."


def some_cases(wrong, seen):
    """Right in some cases, wrong in others: what tells them apart."""
    trials = {each.trial.label: each.trial for each in seen}
    for name, result in wrong.items():
        if all(result.wrong):
            continue
        right, bad = ([case for case, is_wrong in zip(result.cases, result.wrong) if is_wrong == side]
                      for side in (False, True))
        for k, argument in enumerate(seen[0].trial.names):
            its, others = ({_plain(trials[case].arguments[k]) for case in cases} for cases in (right, bad))
            if None not in its | others and not its & others:
                return f"{name} is right where {argument} is {_either(its)}, and wrong where it is {_either(others)}."
        return f"{name} is right in case {', '.join(right)}, and wrong in case {', '.join(bad)}."


def _either(values):
    return " or ".join(sorted(values, key=lambda value: (len(value), value)))


def _plain(value):
    return repr(value) if isinstance(value, (int, float, str, bool, tuple, type(None))) else None
