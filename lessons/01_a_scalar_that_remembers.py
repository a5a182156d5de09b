# %% [markdown]
# # Lesson 1: a scalar that remembers
#
# How does a computer find out which way to turn each of a million knobs? In this lesson you build the answer for plain
# numbers: a number that remembers what it was computed from, and a walk back along these memories. It is the same walk
# that trains every network in minivit.
#
# - **Time**: 30 minutes to read, 55 for the exercises. Computing: 5 s (fast mode: 3 s).
# - **Before**: Python; what the slope of a curve is.
# - **You will have written**: the slopes of eight operations, the walk back, and the order that it goes in. Together
#   they differentiate any program made of these operations.
#
# In all lessons, `claim(sentence, holds)` prints a sentence with a tick, and stops the lesson where it does not hold;
# `show` saves a picture in your folder, `~/minivit-lab`. The fast mode, in which `minivit learn next` runs, does the
# same with less data or fewer steps.

# %%
import math
import operator
import time

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from minivit import Tensor, learn, no_grad, tape
from minivit.learn.lesson import FAST, claim, show
from minivit.models import create

# %% [markdown]
# ## Slopes by nudging
#
# A network is a long computation that ends in one number, the **loss**: how wrong it was. To improve it we need, for
# each of its **parameters**, the numbers that can be changed, the slope of the loss: how much the loss grows as this
# parameter grows by a little. All slopes together are the **gradient**. A step against it makes the loss smaller.
#
# The simplest way to a slope is to nudge: run the computation a little to the right and a little to the left.
#
#     slope = (f(x + h) - f(x - h)) / 2h
#
# For f(x) = 3 x^2 - 4 x + 5 the slope is 6 x - 4, so 8 at x = 2.


# %%
def f(x):
    return 3 * x ** 2 - 4 * x + 5


def nudged(f, x, h=1e-6):
    """The slope of f at x."""
    return (f(x + h) - f(x - h)) / (2 * h)


print(f"slope at 2: {nudged(f, 2.0):.9f}")
claim("nudging finds the slope of 3 x^2 - 4 x + 5 at 2, which is 8", abs(nudged(f, 2.0) - 8) < 1e-6)

# %% [markdown]
# Nudging needs no thought, and two runs for each parameter. That is too many:

# %%
parameters = create("vit_nano_patch7_28", seed=0).num_parameters()
print(f"minivit's transformer for digits has {parameters:,} parameters: {2 * parameters:,} runs for one gradient")

# %% [markdown]
# ## Small slopes
#
# The way out: a long computation is made of short ones, and the slopes of these are known. If a makes b move three
# times as fast as itself, and b makes c move twice as fast, then a makes c move six times as fast. That is the **chain
# rule**:
#
#     dc/da = dc/db * db/da
#
# "dc/da" is read "the slope of c by a". Along a chain, slopes are multiplied. And if a acts on c in two ways, through
# b1 and through b2, both effects are felt, and add:
#
#     dc/da = dc/db1 * db1/da + dc/db2 * db2/da
#
# So all we need to know of an operation is its slope by each of its operands. For y = a * b: as a grows by 1, y grows
# by b. The slope by a is b, the slope by b is a.

# %% [markdown]
# **Exercise `scalar_backward_rules`** (15 min): write the slopes of eight operations: add, sub, mul, div, pow, exp,
# log and tanh. `minivit learn check scalar_backward_rules`
#
# Your file for it is `scalar_backward_rules.py` in your folder: `minivit learn start 1` has put it there. Its first
# lines are the task. The check says what is wrong, and `minivit learn hint` helps. `learn.use`, in the next cell, takes
# your function if it has passed (it prints `[yours]`), and else minivit's solution (`[reference]`), so the lesson goes
# on either way.

# %%
slopes_of = learn.use("scalar_backward_rules")
print("mul of 3 and 5:", slopes_of("mul", 3.0, 5.0))
claim("tanh's slope at 0.7 is what nudging says",
      abs(slopes_of("tanh", 0.7)[0] - nudged(math.tanh, 0.7)) < 1e-8)

# %% [markdown]
# ## A number that remembers
#
# A `Value` holds a number, and remembers three things: its **parents** (the Values that it was computed from), its
# slope by each of them, and the operation's name. It also has room for `grad`, the slope of the end by it, which is
# filled in later. A Value without parents is a **leaf**: it was given, not computed.

# %%
FORWARD = {"add": operator.add, "sub": operator.sub, "mul": operator.mul, "div": operator.truediv,
           "pow": operator.pow, "exp": math.exp, "log": math.log, "tanh": math.tanh}


class Value:
    """A number that remembers where it came from."""

    def __init__(self, data, parents=(), slopes=(), operation=""):
        self.data, self.grad = data, 0.0
        self.parents, self.slopes, self.operation = parents, slopes, operation

    def __add__(self, other): return compute("add", self, other)
    def __radd__(self, other): return compute("add", other, self)
    def __sub__(self, other): return compute("sub", self, other)
    def __rsub__(self, other): return compute("sub", other, self)
    def __mul__(self, other): return compute("mul", self, other)
    def __rmul__(self, other): return compute("mul", other, self)
    def __truediv__(self, other): return compute("div", self, other)
    def __rtruediv__(self, other): return compute("div", other, self)
    def __pow__(self, exponent): return compute("pow", self, exponent)
    def exp(self): return compute("exp", self)
    def log(self): return compute("log", self)
    def tanh(self): return compute("tanh", self)


# %% [markdown]
# All operations are alike: take the numbers out, compute the result and the slopes, and keep both. (The exponent of a
# power is a constant: it has no slope, and is no parent.)


# %%
def compute(operation, *operands):
    """The Value of one operation on Values and plain numbers; a number becomes a leaf."""
    values = [x if isinstance(x, Value) else Value(x) for x in operands]
    numbers = [value.data for value in values]
    slopes = slopes_of(operation, *numbers)
    return Value(FORWARD[operation](*numbers), tuple(values[:len(slopes)]), slopes, operation)


# %% [markdown]
# A neuron, as small as it gets: an input x is weighted with w, a bias b is added, and tanh bends the sum s. The result
# y multiplies both, s and its tanh, so that s goes two ways: that will matter.

# %%
x, w, b = Value(0.5), Value(3.0), Value(-0.7)
p = w * x
s = p + b
t = s.tanh()
y = s * t
print(f"p = {p.data:.3f}   s = {s.data:.3f}   t = {t.data:.3f}   y = {y.data:.3f}")
claim("Values compute what plain numbers do", y.data == (3.0 * 0.5 - 0.7) * math.tanh(3.0 * 0.5 - 0.7))

# %% [markdown]
# ## The walk back
#
# Now go from y to the leaves, and at each number hand its gradient on to its parents, times the slope:
#
#     y.grad = 1        parent.grad += slope * node.grad
#
# y moves with itself one to one: that is the 1 we start from. Look at `+=`. The number s was used twice, so it hears
# from t and from y, and must add up what it hears. Writing `=` there is the most common mistake of all.
#
# What if we walk back a second time? The leaves are ours, and keep adding up until we set their `grad` to 0; so the
# gradients of several losses can be summed. But a number in between, like s, starts each walk from 0: else it would
# send on again what it sent before. (micrograd, the best-known small engine of this kind, does that; its pull request
# 102 is about it.)

# %% [markdown]
# **Exercise `scalar_backward`** (20 min): write the walk, for a list of nodes in which each comes after its parents.
# `minivit learn check scalar_backward`

# %%
walk_back = learn.use("scalar_backward")
walk_back([x, w, p, b, s, t, y])
for name, node in {"x": x, "w": w, "p": p, "b": b, "s": s, "t": t, "y": y}.items():
    print(f"{name} = {node.data:6.3f}   slope of y by it: {node.grad:6.3f}")


# %% [markdown]
# Nudging agrees. It took two runs for each of the three leaves; the walk found all seven slopes at once.


# %%
def neuron(x, w, b):
    return (w * x + b) * math.tanh(w * x + b)


claim("the walk back finds the slopes of y by x, w and b that nudging finds",
      abs(x.grad - nudged(lambda v: neuron(v, 3.0, -0.7), 0.5)) < 1e-8
      and abs(w.grad - nudged(lambda v: neuron(0.5, v, -0.7), 3.0)) < 1e-8
      and abs(b.grad - nudged(lambda v: neuron(0.5, 3.0, v), -0.7)) < 1e-8)

first = w.grad, s.grad
walk_back([x, w, p, b, s, t, y])
claim("after a second walk the leaf w holds twice its gradient, and s, in between, its gradient",
      w.grad == 2 * first[0] and s.grad == first[1])

# %% [markdown]
# ## In which order?
#
# s must not hand anything on before it has heard from both y and t. Let us break that: walk from y to s before t.

# %%
right = w.grad / 2
for leaf in (x, w, b):
    leaf.grad = 0.0
walk_back([x, w, p, b, t, s, y])
print(f"slope of y by w: {right:.3f}; with s visited before t: {w.grad:.3f}")
claim("a wrong order gives a wrong gradient, without any error message", abs(w.grad - right) > 0.1)

# %% [markdown]
# "Backpropagation is just the chain rule" is only half of it. The chain rule says what to add up: over every path from
# the end to a leaf, the product of the slopes on it. The other half is the order, in which each number waits until its
# gradient is complete and then hands it on *once*. Paths double at every fork; the **edges** (a number and one of its
# parents, an arrow in the picture below) do not.
#
# The list must hold each node after all of its parents: a **topological order**. So far we wrote it by hand. It can be
# found from y alone, since every node knows its parents.

# %% [markdown]
# **Exercise `topological_order`** (20 min): list a node and all that it was computed from, each after its parents.
# `minivit learn check topological_order`

# %%
topological_order = learn.use("topological_order")


def backward(end):
    """Fill in `grad` of everything that `end` was computed from."""
    walk_back(topological_order(end))


for leaf in (x, w, b):
    leaf.grad = 0.0
backward(y)
claim("the order found from y alone gives the right slope", abs(w.grad - right) < 1e-12)

# %% [markdown]
# Here are 40 forks in a row: each number is added to itself. There are 2^40 paths, about a million million, from the
# end to the start. The walk crosses 80 edges.

# %%
start = end = Value(1.0)
for _ in range(40):
    end = end + end
backward(end)
print(f"slope of the end by the start: {start.grad:,.0f}")
claim("the walk adds up 2^40 paths by crossing 80 edges",
      start.grad == 2 ** 40 and sum(len(node.parents) for node in topological_order(end)) == 80)

# %% [markdown]
# ## A picture of it
#
# Each box is a number with its gradient under it, leaves in grey; each arrow carries a slope. Multiply the slopes along
# a path from y to a leaf, add up over the paths, and you have the gradient of the leaf.


# %%
def draw(places):
    """The graph of some Values. places: {name: (Value, column, row)}; parents stand left of what is made of them."""
    figure = Figure(figsize=(9.5, 3.6))
    axes = figure.subplots()
    at = {node: (column, row) for node, column, row in places.values()}
    for name, (node, column, row) in places.items():
        axes.add_patch(FancyBboxPatch((column - 0.33, row - 0.2), 0.66, 0.4, boxstyle="round,pad=0.02",
                                      facecolor="white" if node.parents else "0.9", edgecolor="0.3"))
        title = f"{name} = {node.data:.2f}" + (f"  ({node.operation})" if node.operation else "")
        axes.text(column, row, f"{title}\ngrad {node.grad:.2f}", ha="center", va="center", fontsize=9)
        for parent, slope in zip(node.parents, node.slopes):
            start, end = (at[parent][0] + 0.36, at[parent][1]), (column - 0.36, row)
            axes.annotate("", end, start, arrowprops=dict(arrowstyle="->", color="0.3", shrinkA=0, shrinkB=0))
            axes.text((start[0] + end[0]) / 2, (start[1] + end[1]) / 2, f"{slope:.2f}", ha="center", va="center",
                      fontsize=9, bbox=dict(facecolor="white", edgecolor="none", pad=1))
    axes.set(xlim=(-0.4, 4.4), ylim=(-1.2, 0.9))
    axes.axis("off")
    return figure


show(draw({"w": (w, 0, 0.4), "x": (x, 0, -0.4), "p": (p, 1, 0), "b": (b, 1, -0.9), "s": (s, 2, 0), "t": (t, 3, 0.6),
           "y": (y, 4, 0)}), "01-graph",
     alt="The graph of y = s * tanh(s) with s = w x + b: seven boxes with value and gradient, leaves on the left, y on "
         "the right, a slope on each arrow; two arrows leave s, one to t and one straight to y.")

# %% [markdown]
# ## It learns
#
# Two crescents of points, each hugging the other: no straight line parts them. Which crescent does a point (u, v)
# belong to? Let eight neurons look at it, and weigh their opinions:
#
#     score = a_1 tanh(w_1 u + v_1 v + b_1) + ... + a_8 tanh(w_8 u + v_8 v + b_8) + c
#
# A positive score means crescent +1, a negative one crescent -1. There are 8 * 4 + 1 = 33 parameters.


# %%
def moons(count, rng):
    """Points u, v (count,) of two crescents, and the crescent of each, +1 or -1, by turns."""
    crescent = np.where(np.arange(count) % 2, 1.0, -1.0)
    angle = rng.uniform(0, math.pi, count)
    u = np.where(crescent > 0, 1 - np.cos(angle), np.cos(angle)) + 0.1 * rng.standard_normal(count)
    v = np.where(crescent > 0, 0.5 - np.sin(angle), np.sin(angle)) + 0.1 * rng.standard_normal(count)
    return u, v, crescent


NEURONS = 8


def score(parameters, u, v):
    """The network: plain arithmetic, so it takes whatever knows + and *."""
    total = parameters[-1]
    for k in range(NEURONS):
        w_u, w_v, b, a = parameters[4 * k:4 * k + 4]
        total = total + a * (w_u * u + w_v * v + b).tanh()
    return total


# %% [markdown]
# The loss of one point should be small where the score has the sign of its crescent, and grow as it goes wrong:
#
#     loss = log(1 + exp(-crescent * score))
#
# and the loss of several points is their mean. (Lesson 3 says where this formula comes from.)


# %%
def loss_of(parameters, points):
    """The mean loss of `points`, triples (u, v, crescent) of plain numbers."""
    total = 0.0
    for u, v, crescent in points:
        total = total + (1 + (-crescent * score(parameters, u, v)).exp()).log()
    return total / len(points)


rng = np.random.default_rng(0)
first_numbers = rng.standard_normal(4 * NEURONS + 1)
points = list(zip(*(array.tolist() for array in moons(200, rng))))
print(f"loss of the untrained network: {loss_of([Value(v) for v in first_numbers], points).data:.3f}")

# %% [markdown]
# Training is five lines: pick a few points, compute the loss, walk back, take a small step against the gradient, set
# the gradient to 0.

# %%
parameters = [Value(number) for number in first_numbers.tolist()]
steps, batch, rate = (200, 16, 1.0) if FAST else (500, 16, 1.0)
began = time.perf_counter()
losses = []
for step in range(steps):
    loss = loss_of(parameters, [points[k] for k in rng.integers(0, len(points), batch)])
    backward(loss)
    for parameter in parameters:
        parameter.data -= rate * parameter.grad
        parameter.grad = 0.0
    losses.append(loss.data)
seconds = time.perf_counter() - began
print(f"{steps} steps in {seconds:.1f} s; mean loss of the first 20 {np.mean(losses[:20]):.3f}, "
      f"of the last 20 {np.mean(losses[-20:]):.3f}")
claim("the loss falls to less than half", np.mean(losses[-20:]) < 0.5 * np.mean(losses[:20]))

# %% [markdown]
# ## The same with minivit
#
# minivit's `Tensor` is a Value whose number is a whole array. An array of no dimensions is a number, so `loss_of` runs
# on such Tensors as it stands, and both engines can be compared, number by number.

# %%
some = points[:20]
own = [Value(parameter.data) for parameter in parameters]
loss = loss_of(own, some)
backward(loss)

theirs = [Tensor(np.array(parameter.data), requires_grad=True) for parameter in parameters]
loss_tensor = loss_of(theirs, some)
operations = len(tape.walk(loss_tensor.edge))
loss_tensor.backward()
claim("minivit computes the same loss", abs(loss.data - loss_tensor.item()) < 1e-12)
claim("... and the same 33 gradients",
      max(abs(mine.grad - float(tensor.grad)) for mine, tensor in zip(own, theirs)) < 1e-12)

# %% [markdown]
# `tape.walk` lists what minivit remembered: one node for each operation, newest first. It needs no search for an order.
# It numbers the operations as they happen, and since nothing can be computed before its parents, the order in which
# numbers are made is a topological order: the walk takes the newest first. minivit also forgets what it has used, to
# save memory, so a second walk back is an error, not a surprise.

# %%
computed = sum(1 for node in topological_order(loss) if node.parents)
print(f"operations for the loss of 20 points: {computed:,}; nodes on minivit's tape: {operations:,}")
claim("both engines remember the same number of operations", computed == operations)
try:
    loss_tensor.backward()
    refused = False
except RuntimeError as error:
    refused = True
    print(f"RuntimeError: {error}")
claim("minivit refuses a second walk over the same graph", refused)

# %% [markdown]
# ## Why arrays
#
# `score` was written for numbers. Hand it Tensors of numbers and *arrays* u and v, and each operation works on all
# points at once. The gradients are the same. The time is not: most of it went into making a Python object for every
# single number.


# %%
def loss_of_arrays(parameters, u, v, crescent):
    """The mean loss of arrays of points: the formula of loss_of, without its loop."""
    return (1 + (-crescent * score(parameters, u, v)).exp()).log().mean()


def seconds_of(task, times):
    """The shortest of some runs."""
    began = [time.perf_counter()]
    for _ in range(times):
        task()
        began.append(time.perf_counter())
    return min(np.diff(began))


def as_values():
    own = [Value(parameter.data) for parameter in parameters]
    backward(loss_of(own, points))
    return [value.grad for value in own]


def as_arrays():
    theirs = [Tensor(np.array(parameter.data), requires_grad=True) for parameter in parameters]
    loss_of_arrays(theirs, u, v, crescent).backward()
    return [float(tensor.grad) for tensor in theirs]


u, v, crescent = (np.array(column) for column in zip(*points))
one_by_one, at_once = seconds_of(as_values, 2), seconds_of(as_arrays, 10)
print(f"200 points as Values: {1e3 * one_by_one:.0f} ms; as arrays: {1e3 * at_once:.1f} ms")
claim("arrays of 200 points give the gradients of 200 separate points",
      np.allclose(as_values(), as_arrays(), rtol=0, atol=1e-12))
claim("... at least 5 times as fast", one_by_one > 5 * at_once)

# %% [markdown]
# Fresh points, which the network has not seen, tell whether it learned the shape or only the points. The same `score`,
# given a whole grid of places, draws the border.


# %%
def scores(u, v):
    """The trained network's score at each place of two arrays; nothing is remembered."""
    with no_grad():
        return score([Tensor(np.array(parameter.data)) for parameter in parameters], u, v).data


fresh_u, fresh_v, fresh = moons(1000, np.random.default_rng(1))
accuracy = np.mean(np.sign(scores(fresh_u, fresh_v)) == fresh)
print(f"{accuracy:.1%} of 1,000 fresh points are on the right side")
claim("more than 95 % of fresh points are on the right side", accuracy > 0.95)

# %%
grid_u, grid_v = np.meshgrid(np.linspace(-1.5, 2.5, 160), np.linspace(-1.1, 1.6, 120))
figure = Figure(figsize=(6.5, 4.3))
axes = figure.subplots()
axes.contourf(grid_u, grid_v, np.tanh(scores(grid_u, grid_v) / 2), levels=12, cmap="PuOr_r", vmin=-1.6, vmax=1.6)
axes.contour(grid_u, grid_v, scores(grid_u, grid_v), levels=[0], colors="black")
for sign, marker, colour in ((1, "o", "#e66101"), (-1, "^", "#5e3c99")):
    axes.plot(u[crescent == sign], v[crescent == sign], marker, color=colour, markeredgecolor="black", markersize=5,
              label=f"crescent {sign:+d}")
axes.set(xlabel="u", ylabel="v", title=f"33 Values after {steps} steps: the black line is score = 0")
axes.legend(loc="lower left")
show(figure, "01-moons", alt="Two interlocking crescents of points, circles and triangles, and a curved black line "
                             "that runs between them; the background darkens away from the line.")

# %% [markdown]
# ## What you can do now
#
# You can say what backpropagation is: slopes of small operations, multiplied along paths, added up where paths meet,
# in an order in which each number waits until its gradient is complete. You can say why gradients add up, why they are
# set to 0 before a step, and why the work is about that of the computation itself, however many parameters there are.
#
# **Read in minivit**: `minivit/tape.py` (the walk), `minivit/primitives/arithmetic.py` (the slopes: each operation's
# backward is the rule that you wrote), `minivit/tensor.py` (the operators).
#
# **Sources**: Linnainmaa 1970, "The representation of the cumulative rounding error of an algorithm" (the walk back);
# Rumelhart, Hinton and Williams 1986, "Learning representations by back-propagating errors", Nature 323, eq. 4-7 (the
# network); Karpathy 2020, micrograd (the idea of teaching it with scalars).
#
# **Next**: lesson 2. The numbers become arrays, slopes become matrices too large to write down, and we learn not to
# trust a gradient that we have not checked.
