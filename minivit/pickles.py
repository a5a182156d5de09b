"""A machine that reads pickles without running them.

A pickle is a program for a machine with a stack. Most of its instructions build lists, dictionaries and numbers; but
GLOBAL imports whatever it names, and REDUCE calls that: `os.system`, say. This machine imports nothing and calls only
what minivit gives it: a pickle may mention a few names, and what they mean is up to `call`. Every other name, and every
instruction that neither `torch.save` nor Python 2 wrote (they use those of pickle's protocol 2), is refused.

- `Machine(names, call, ...).run(data)`: the object that a pickle describes
- `Refused`, `Damaged`: what is raised where it does more than describe data, or makes no sense

PyTorch's checkpoints and CIFAR's batches are read with it.

Source: Python's pickletools, which documents the instructions, and here tells them and their arguments apart.
"""
import pickletools
import warnings
from dataclasses import dataclass

from minivit.errors import shown

MAX_LENGTH = 2 ** 20                # bytes; the pickle of a ViT's state dict has 20,000, CIFAR's up to 155 million
MAX_STEPS = 2 ** 20                 # instructions: a second or two of work; CIFAR-100's training images take 310,000
MAX_DEPTH = 100                     # lists within lists; a checkpoint has about five
CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
CONTAINERS = {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}


@dataclass(frozen=True)
class Name:
    """What GLOBAL leaves on the stack: "module name", not imported."""

    text: str


class PickleError(ValueError):
    """A pickle that cannot be read; whoever opened the file adds its name."""


class Refused(PickleError):
    """A pickle that does more than describe data."""


class Damaged(PickleError):
    """A pickle that contradicts itself."""


def never(*_):
    """A `build` or `load` for pickles that have no need of it."""
    raise Refused("its pickle sets attributes or refers to something outside itself")


class Machine:
    """names: the texts that a Name may have. call(text, arguments): what calling one results in. build(object, state):
    gives an object that `call` made its state. load(id): what lies outside the pickle under this "persistent id".
    max_length: of a pickle, in bytes. All of them raise a PickleError for what they do not know, as `run` does."""

    def __init__(self, names, call, build=never, load=never, max_length=MAX_LENGTH):
        self._names, self._call, self._build, self._load, self._max = names, call, build, load, max_length
        self._stack, self._below, self._memo = [], [], {}       # below: the stacks that lie under each MARK

    def run(self, data):
        """The object that the bytes `data` describe."""
        if len(data) > self._max:
            raise Refused(f"its pickle has {len(data)} bytes, more than {self._max}")
        try:
            with warnings.catch_warnings(action="ignore"):      # pickletools warns of odd texts, and goes on
                for step, (instruction, argument, place) in enumerate(pickletools.genops(data)):
                    if step == MAX_STEPS:
                        raise Refused(f"its pickle has more than {MAX_STEPS} instructions")
                    self._step(instruction.name, argument)
            value, = self._stack
        except PickleError:
            raise
        except (IndexError, KeyError, ValueError) as error:     # nothing on the stack or in the memo, a cut argument
            raise Damaged(f"its pickle makes no sense ({shown(error)})") from error
        if place + 1 != len(data) or self._below:
            raise Damaged("its pickle does not end where it should")
        return value

    def _step(self, instruction, argument):
        stack = self._stack
        match instruction:
            case "PROTO" | "STOP":
                pass
            case "BININT" | "BININT1" | "BININT2" | "LONG1" | "BINFLOAT" | "BINUNICODE":
                stack.append(argument)
            case "SHORT_BINSTRING" | "BINSTRING":       # Python 2's texts, which are bytes: a character for each
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
                    raise Refused(f"its pickle calls {shown(name)}, which is no function")
                stack.append(self._call(name.text, arguments))
            case "BUILD":
                state = stack.pop()
                self._build(stack[-1], state)
            case "BINPERSID":
                stack.append(self._load(stack.pop()))
            case _:
                raise Refused(f"its pickle holds the instruction {instruction}, which no such file needs")

    def _mark(self):
        if len(self._below) == MAX_DEPTH:
            raise Damaged(f"its pickle nests deeper than {MAX_DEPTH} levels")
        self._below.append(self._stack)
        self._stack = []

    def _since_mark(self):
        items, self._stack = self._stack, self._below.pop()
        return items

    def _name(self, text):
        if text not in self._names:
            raise Refused(f"to load it, Python would import {shown(text)}, and no such file needs that")
        return Name(text)

    def _extend(self, items):
        if type(self._stack[-1]) is not list:
            raise Damaged(f"its pickle appends to {shown(self._stack[-1])}")
        self._stack[-1].extend(items)

    def _update(self, items):
        keys, values = items[::2], items[1::2]
        # Only these keys: the hash of a tuple of tuples can take for ever, and large integers may all share one.
        if not all(type(key) is str or type(key) is int and abs(key) < 2 ** 31 for key in keys):
            raise Refused("its pickle has keys that are neither texts nor small integers")
        if not isinstance(self._stack[-1], dict) or len(keys) != len(values):
            raise Damaged(f"its pickle sets items of {shown(self._stack[-1])}")
        self._stack[-1].update(zip(keys, values))
