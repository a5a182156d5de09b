"""A machine that reads pickles without running them.

A pickle is a program for a machine with a stack. Most of its instructions build lists, dictionaries and numbers; but
GLOBAL imports whatever it names, and REDUCE calls that: `os.system`, say. This machine imports nothing and calls only
what minivit gives it: a pickle may mention a few names, and what they mean is up to `call`. Every other name, and every
instruction that `torch.save` does not write (it uses those of pickle's protocol 2), is refused.

- `Machine(names, call, load).run(data)`: the object that a pickle describes

Source: Python's pickletools, which documents the instructions, and here tells them and their arguments apart.
"""
import pickletools
import warnings
from collections import OrderedDict
from dataclasses import dataclass

from minivit.weights.files.untrusted import damaged, shown
from minivit.weights.store import WeightsError

MAX_LENGTH = 2 ** 20                # bytes: a second or two of work; the pickle of a ViT's state dict has 20,000
MAX_DEPTH = 100                     # lists within lists; a checkpoint has about five
CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
CONTAINERS = {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}


@dataclass(frozen=True)
class Name:
    """What GLOBAL leaves on the stack: "module name", not imported."""

    text: str


class Namespace:
    """An argparse.Namespace, in which training scripts keep their options; what these are is not read."""


def refused(reason):
    """A WeightsError for a pickle that does more than describe a state dict."""
    return WeightsError(f"is refused: {reason}. If you trust its source, load it in PyTorch and save only "
                        f"model.state_dict()")


class Machine:
    """names: the texts that a Name may have. call(text, arguments): what calling one results in. load(id): what lies
    outside the pickle under this "persistent id". Both raise WeightsError for what they do not know, as `run` does."""

    def __init__(self, names, call, load):
        self._names, self._call, self._load = names, call, load
        self._stack, self._below, self._memo = [], [], {}       # below: the stacks that lie under each MARK

    def run(self, data):
        """The object that the bytes `data` describe."""
        if len(data) > MAX_LENGTH:
            raise refused(f"its pickle has {len(data)} bytes, more than {MAX_LENGTH}")
        try:
            with warnings.catch_warnings(action="ignore"):      # pickletools warns of odd texts, and goes on
                for instruction, argument, place in pickletools.genops(data):
                    self._step(instruction.name, argument)
            value, = self._stack
        except WeightsError:
            raise
        except (IndexError, KeyError, ValueError) as error:     # nothing on the stack or in the memo, a cut argument
            raise damaged(f"its pickle makes no sense ({shown(error)})") from error
        if place + 1 != len(data) or self._below:
            raise damaged("its pickle does not end where it should")
        return value

    def _step(self, instruction, argument):
        stack = self._stack
        match instruction:
            case "PROTO" | "STOP":
                pass
            case "BININT" | "BININT1" | "BININT2" | "LONG1" | "BINFLOAT" | "BINUNICODE":
                stack.append(argument)
            case "NONE" | "NEWTRUE" | "NEWFALSE":
                stack.append(CONSTANTS[instruction])
            case "EMPTY_DICT" | "EMPTY_LIST" | "EMPTY_TUPLE":
                stack.append(CONTAINERS[instruction]())
            case "MARK":
                self._mark()
            case "TUPLE":
                items = self._since_mark()
                self._stack.append(tuple(items))
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                items = [stack.pop() for _ in range(int(instruction[-1]))]
                stack.append(tuple(reversed(items)))
            case "APPEND":
                self._extend([stack.pop()])
            case "APPENDS":
                self._extend(self._since_mark())
            case "SETITEM":
                value, key = stack.pop(), stack.pop()
                self._update([key, value])
            case "SETITEMS":
                self._update(self._since_mark())
            case "BINPUT" | "LONG_BINPUT":
                self._memo[argument] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                stack.append(self._memo[argument])
            case "GLOBAL":
                stack.append(self._name(argument))
            case "REDUCE" | "NEWOBJ":
                arguments, name = stack.pop(), stack.pop()
                if not isinstance(name, Name):
                    raise refused(f"its pickle calls {shown(name)}, which is no function")
                stack.append(self._call(name.text, arguments))
            case "BUILD":
                self._build(stack.pop())
            case "BINPERSID":
                stack.append(self._load(stack.pop()))
            case _:
                raise refused(f"its pickle holds the instruction {instruction}, which no state dict needs")

    def _mark(self):
        if len(self._below) == MAX_DEPTH:
            raise damaged(f"its pickle nests deeper than {MAX_DEPTH} levels")
        self._below.append(self._stack)
        self._stack = []

    def _since_mark(self):
        items, self._stack = self._stack, self._below.pop()
        return items

    def _name(self, text):
        if text not in self._names:
            raise refused(f"to load it, Python would import {shown(text)}, and no state dict needs that")
        return Name(text)

    def _extend(self, items):
        if type(self._stack[-1]) is not list:
            raise damaged(f"its pickle appends to {shown(self._stack[-1])}")
        self._stack[-1].extend(items)

    def _update(self, items):
        keys, values = items[::2], items[1::2]
        # Only these keys: the hash of a tuple of tuples can take for ever, and large integers may all share one.
        if not all(type(key) is str or type(key) is int and abs(key) < 2 ** 31 for key in keys):
            raise refused("its pickle has keys that are neither texts nor small integers")
        if type(self._stack[-1]) not in (dict, OrderedDict) or len(keys) != len(values):
            raise damaged(f"its pickle sets items of {shown(self._stack[-1])}")
        self._stack[-1].update(zip(keys, values))

    def _build(self, attributes):
        # An OrderedDict brings the versions of PyTorch's modules, a Namespace its options: neither are weights.
        if type(self._stack[-1]) not in (OrderedDict, Namespace) or type(attributes) is not dict:
            raise refused(f"its pickle sets attributes of {shown(self._stack[-1])}")
