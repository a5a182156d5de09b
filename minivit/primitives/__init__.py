"""The alphabet: operations of a few lines, each with its derivative. Everything else can be spelled with them."""
from minivit.primitives.arithmetic import (
    Abs, Add, Cast, Div, Erf, Exp, Log, Mul, Neg, Pow, Sqrt, Sub, Tanh)
from minivit.primitives.reduce import MatMul, Max, Min, Sum
from minivit.primitives.select import GetItem, Maximum, Minimum, Where
from minivit.primitives.shape import Concat, Expand, Pad, Reshape, Split, To, Transpose, Unbind

__all__ = ["Abs", "Add", "Cast", "Concat", "Div", "Erf", "Exp", "Expand", "GetItem", "Log", "MatMul", "Max",
           "Maximum", "Min", "Minimum", "Mul", "Neg", "Pad", "Pow", "Reshape", "Split", "Sqrt", "Sub", "Sum",
           "Tanh", "To", "Transpose", "Unbind", "Where"]
