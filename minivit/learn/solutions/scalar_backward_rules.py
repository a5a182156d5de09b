"""The slopes of eight operations on numbers: what each must know to take part in the chain rule.

    add  a + b        mul  a * b        pow  a ** b (b a constant)        log   log a
    sub  a - b        div  a / b        exp  e ** a                       tanh  tanh a

The slope of y = f(a, b) by a is how many times faster than a the result y moves while b stays where it is. For sin a
it would be cos a: some number that can be worked out from the operands alone.
"""
import math


def scalar_backward_rules(operation, a, b=None):
    """The slopes of one operation at the numbers a and b, as a tuple: by a and by b for add, sub, mul and div, by a
    alone for pow, exp, log and tanh. operation: a name from the table above."""
    match operation:
        case "add":
            return 1.0, 1.0
        case "sub":
            return 1.0, -1.0
        case "mul":
            return b, a
        case "div":
            return 1 / b, -a / b ** 2
        case "pow":
            return (b * a ** (b - 1),)
        case "exp":
            return (math.exp(a),)
        case "log":
            return (1 / a,)
        case "tanh":
            return (1 - math.tanh(a) ** 2,)
