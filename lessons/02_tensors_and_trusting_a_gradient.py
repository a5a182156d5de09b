# %% [markdown]
# # Lesson 2: tensors, and trusting a gradient
#
# Numbers become arrays, and slopes become matrices that are too large to write down, and need not be. Then the other
# half of the craft: a gradient that is wrong still trains, only worse, and nothing complains. So we measure.
#
# - **Time**: 40 minutes to read, 60 for the exercises. Computing: 2 s, in both modes.
# - **Before**: lesson 1; matrix products.
# - **You will have written**: the backward of broadcasting, the backward of the matrix product, and a gradient checker
#   that catches planted mistakes.

# %%
import math

import numpy as np
from matplotlib.figure import Figure

from minivit import Tensor, learn, ops, using
from minivit.function import unbroadcast
from minivit.gradcheck import CASES, gradcheck
from minivit.learn.exercises.gradcheck import planted
from minivit.learn.lesson import claim, show
from minivit.ops.softmax import Softmax

rng = np.random.default_rng(0)

# %% [markdown]
# ## The slopes of an array by an array
#
# An operation takes an array x and makes an array y. Each number of y may depend on each number of x, so there is a
# whole table of slopes, the **Jacobian**:
#
#     J[i, j] = dy_i / dx_j        i counts the numbers of y, j those of x
#
# It can be found by nudging, one number of x at a time.


# %%
def jacobian(f, x, h=1e-5):
    """The slopes of f(x) by x: a row for each number of f(x), a column for each number of x."""
    columns = []
    for index in np.ndindex(x.shape):
        nudge = np.zeros(x.shape)
        nudge[index] = h
        columns.append((f(x + nudge) - f(x - nudge)).ravel() / (2 * h))
    return np.stack(columns, axis=1)


def softmax(x):
    e = np.exp(x)
    return e / e.sum(axis=-1, keepdims=True)


x, bias, w = rng.standard_normal((3, 4)), rng.standard_normal(4), rng.standard_normal((4, 2))
tables = {"tanh(x) by x": jacobian(np.tanh, x), "x + bias by bias": jacobian(lambda b: x + b, bias),
          "softmax(x) by x": jacobian(softmax, x), "x @ w by x": jacobian(lambda x: x @ w, x)}

figure = Figure(figsize=(10, 3.2), layout="constrained")
panels = figure.subplots(1, 4, width_ratios=[table.shape[1] + 3 for table in tables.values()])
for axes, (name, table) in zip(panels, tables.items()):
    image = axes.imshow(table / np.abs(table).max(), cmap="PuOr_r", vmin=-1, vmax=1)
    axes.set_title(name, fontsize=10)
    axes.set(xlabel="input", ylabel="output", xticks=[0, table.shape[1] - 1], yticks=[0, len(table) - 1])
figure.colorbar(image, ax=panels, label="slope / largest of its table")
show(figure, "02-jacobians", alt="Four tables of slopes, mostly empty: tanh a diagonal; a bias three diagonals one "
                                 "above the other; softmax three dense blocks on the diagonal; a matrix product three "
                                 "equal blocks on the diagonal.")

# %% [markdown]
# x has 3 rows of 4 numbers. tanh works on each number alone: a diagonal. The bias is added to every row: three
# diagonals, one for each copy. In softmax every number of a row acts on all of that row. In the product, each row of x
# meets the same matrix. There is order in these tables, and mostly there is nothing:

# %%
for name, table in tables.items():
    print(f"{name:<17} {np.mean(np.abs(table) < 1e-9):4.0%} zeros")
B, N, D, F = 128, 17, 64, 128           # images, rows of each, numbers in a row before and after the layer
print(f"one linear layer of minivit's digit model, {B} images: a Jacobian of {(B * N * F) * (B * N * D):,} numbers")
claim("of the slopes of tanh, 11 in 12 are 0", np.isclose(np.mean(np.abs(tables["tanh(x) by x"]) < 1e-9), 11 / 12))

# %% [markdown]
# ## A product with a table that is never built
#
# The loss is a number, and what arrives at y in the walk back is `dy`: the slope of the loss by each number of y, an
# array like y. The chain rule of lesson 1 says what must leave at x: over all y_i that x_j acts on, add up
#
#     dx_j = sum_i dy_i J[i, j]        in short dx = dy J
#
# This is the **vector-Jacobian product**. All that backpropagation needs of an operation is this product, and for a
# table with so much order there is a shorter way to it. For tanh it is one multiplication for each number:
#
#     dx = dy * (1 - tanh(x)^2)
#
# So in minivit an operation is a pair: `forward(x) -> y`, and `backward(dy) -> dx`. No Jacobian is ever built.

# %%
dy = rng.standard_normal((3, 4))
claim("for tanh, dy J is dy * (1 - tanh(x)^2)",
      np.allclose(dy.ravel() @ tables["tanh(x) by x"], (dy * (1 - np.tanh(x) ** 2)).ravel(), atol=1e-8))

# %% [markdown]
# ## Copies
#
# NumPy adds a bias (4,) to rows (3, 4) as if the bias were there three times. This is **broadcasting**: shapes are
# lined up from the right, and an axis that is missing or has size 1 is copied to the other's length.
#
#     (3, 4) + (4,)      ->  (3, 4)       the bias is copied to 3 rows
#     (3, 4) + (3, 1)    ->  (3, 4)       each number is copied to 4 columns
#
# The picture shows what the backward is: three diagonals one above the other, so dbias = dy[0] + dy[1] + dy[2]. Each
# copy moves the loss on its own, and the copies' gradients add up. The backward of copying is summing.

# %% [markdown]
# **Exercise `unbroadcast`** (15 min): bring a gradient back to the shape that was broadcast.
# `minivit learn check unbroadcast`

# %%
sum_copies = learn.use("unbroadcast")
claim("dbias is dy J", np.allclose(sum_copies(dy, (4,)), dy.ravel() @ tables["x + bias by bias"], atol=1e-8))

shapes = [((4,), (3, 4)), ((3, 1), (2, 3, 5)), ((), (2, 3)), ((1, 4, 1), (6, 4, 2)), ((2, 3), (2, 3))]
claim("it equals minivit's, for five pairs of shapes",
      all(np.allclose(sum_copies(g, shape), unbroadcast(g, shape))
          for shape, target in shapes for g in [rng.standard_normal(target)]))

# %% [markdown]
# ## The matrix product
#
# Nearly all the arithmetic of a transformer is matrix products, and so is nearly all of its backward.
#
#     y_ij = sum_k a_ik b_kj
#
# Where does a_ik appear? In y_ij for every column j, each time with the factor b_kj. So what leaves at a_ik is
#
#     da_ik = sum_j dy_ij b_kj        which is  da = dy b^T
#
# and in the same way b_kj appears in every row i with the factor a_ik:
#
#     db_kj = sum_i a_ik dy_ij        which is  db = a^T dy
#
# If you forget which side is transposed, the shapes tell you, as long as they are not all alike. In a network a holds B
# images of n tokens, and all of them meet the same b. That is broadcasting again, so db adds up over the images.

# %% [markdown]
# **Exercise `matmul_backward`** (20 min): write da and db for a (..., n, k) and b (k, m).
# `minivit learn check matmul_backward`

# %%
matmul_backward = learn.use("matmul_backward")
a, b = rng.standard_normal((2, 3, 4)), rng.standard_normal((4, 5))       # 2 images of 3 tokens
dy = rng.standard_normal((2, 3, 5))
da, db = matmul_backward(dy, a, b)
claim("da is dy J, and so is db",
      np.allclose(da.ravel(), dy.ravel() @ jacobian(lambda a: a @ b, a), atol=1e-8)
      and np.allclose(db.ravel(), dy.ravel() @ jacobian(lambda b: a @ b, b), atol=1e-8))

left, right = Tensor(a, requires_grad=True), Tensor(b, requires_grad=True)
(left @ right).backward(dy)
claim("both equal minivit's", np.allclose(da, left.grad) and np.allclose(db, right.grad))

# %% [markdown]
# Each of the two is a product with as many multiplications as the forward one. So the walk back costs twice the way
# there, and a training step three times a prediction, whatever the number of parameters.
#
# ## How far to nudge
#
# Now to trust. A backward can be checked against nudging; but how far does one nudge? Two errors pull in opposite
# directions. A large step h sees the curve bend. A small one subtracts two numbers that agree in nearly all of their
# digits, and what is left is rounding. With eps, the relative error of a rounded number (1e-16 in float64, 6e-8 in
# float32):
#
#     (f(x + h) - f(x)) / h                bends by h f''/2,       rounding eps f / h
#     (f(x + h) - f(x - h)) / 2h           bends by h^2 f'''/6,    rounding eps f / h
#
# f'' is the second derivative of f, f''' the third: how fast the slope changes, and how fast that does. The second
# rule, the **central difference**, costs no more and is far better. Let us see: tanh at 200 places, the largest error
# for each h.

# %%
places = rng.uniform(-2, 2, 200)
steps = 10.0 ** np.arange(-15, 0.1, 0.25)


def worst_error(rule, dtype):
    """The largest error of a difference rule at the places, for each step."""
    at, truth = places.astype(dtype), 1 - np.tanh(places.astype(dtype).astype(np.float64)) ** 2
    return np.array([np.abs(rule(np.tanh, at, dtype(h)).astype(np.float64) - truth).max() for h in steps])


def forward(f, x, h):
    return (f(x + h) - f(x)) / h


def central(f, x, h):
    return (f(x + h) - f(x - h)) / (h + h)


errors = {("forward", "float64"): worst_error(forward, np.float64),
          ("central", "float64"): worst_error(central, np.float64),
          ("central", "float32"): worst_error(central, np.float32)}
for (rule, dtype), error in errors.items():
    print(f"{rule} difference, {dtype}: smallest error {error.min():.0e}, at h = {steps[error.argmin()]:.0e}")

# %%
figure = Figure(figsize=(6.5, 4.2))
axes = figure.subplots()
for ((rule, dtype), error), style in zip(errors.items(), ("--", "-", "-.")):
    axes.loglog(steps, error, style, label=f"{rule}, {dtype}", linewidth=2)
axes.set(xlabel="step h", ylabel="largest error of the slope", ylim=(1e-13, 10),
         title="Rounding on the left, bending on the right")
axes.legend(loc="lower left")
axes.grid(alpha=0.3)
show(figure, "02-error-versus-step",
     alt="Three V-shaped curves of error against step, on logarithmic axes. The central difference in float64 goes "
         "lowest, near 1e-11; the forward difference near 1e-8; float32 stays above 1e-5.")

best = {name: error.min() for name, error in errors.items()}
claim("in float64 the central difference is good to 1e-9, and 100 times better than the forward difference",
      best["central", "float64"] < 1e-9 and best["forward", "float64"] > 100 * best["central", "float64"])
claim("in float32 no step gives six digits", best["central", "float32"] > 1e-6)
claim("in float64 a step of 1e-13 gives an error above 1e-5, and so does a step of 0.1",
      np.all(errors["central", "float64"][[np.abs(steps / h - 1).argmin() for h in (1e-13, 0.1)]] > 1e-5))

# %% [markdown]
# So: check in float64, with central differences, h near 1e-5. minivit takes four points instead of two, so that the
# next term of the bending cancels too, and h = 1e-3.
#
# ## What to nudge
#
# Backpropagation needs a number at the end; y is an array. Many checkers, those of well-known courses among them, take
# the sum of y, since `y.sum().backward()` is so easy to write. **This can be blind.** Here is softmax with a backward
# that returns nothing but zeros. (`using` lays another pair of forward and backward over minivit's, for a block of
# code.)

# %%
broken = {"softmax": (Softmax.forward, lambda ctx, dy: np.zeros_like(dy))}
logits = rng.standard_normal((4, 6))


def gradient_of(weigh):
    """The gradient of softmax by its input, where the output is turned into a number by `weigh`."""
    leaf = Tensor(logits, requires_grad=True)
    weigh(ops.softmax(leaf)).backward()
    return leaf.grad


with using("array", broken):
    wrong = gradient_of(lambda y: y.sum())
right = gradient_of(lambda y: y.sum())
print(f"gradient of softmax(x).sum(): with zeros {np.abs(wrong).max():.0e}, done right {np.abs(right).max():.0e}")
claim("on the sum of the output, a softmax that sends back zeros looks right", np.abs(wrong - right).max() < 1e-15)

# %% [markdown]
# Every row of softmax adds up to 1, whatever x is. The sum does not move, so its true gradient *is* zero. Zeros pass,
# and so does a wrong sign or a wrong factor, since 0 times anything is 0. To take the sum is to set dy = 1 everywhere,
# and of all dy this is the one that softmax does not see. Layer norm (lesson 8) has the same blind spot. Draw dy at
# random instead, so that no number of y counts like another:

# %%
weights = rng.standard_normal(logits.shape)
with using("array", broken):
    wrong = gradient_of(lambda y: (y * weights).sum())
right = gradient_of(lambda y: (y * weights).sum())
claim("with random weights the right gradient is far from zero", np.abs(wrong - right).max() > 0.05)

with using("array", broken):
    report = gradcheck(ops.softmax, {"x": logits})
print(report)
claim("minivit's checker, which draws dy at random, finds it", not report)
claim("... and finds the real softmax right", gradcheck(ops.softmax, {"x": logits}))

# %% [markdown]
# **Exercise `gradcheck`** (25 min): write a checker that accepts every right gradient and lets no planted mistake pass.
# `minivit learn check gradcheck`

# %%
my_gradcheck = learn.use("gradcheck")


def sum_check(forward, backward, x, rng):
    """The blind one: its dy is all ones. It nudges well."""
    dy = np.ones(forward(x).shape)
    measured = dy.ravel() @ jacobian(forward, x)
    return np.abs(backward(dy, x).ravel() - measured).max() <= 1e-5 * np.abs(measured).max() + 1e-9


print(f"{'':<36} {'truth':<8}{'yours':<8}sum of the output")
verdicts = []
for name, (truth, forward, backward) in planted(rng.standard_normal((4, 4))).items():
    given = forward, backward, rng.uniform(0.3, 1.0, (3, 4))
    mine, blind = (bool(check(*given, np.random.default_rng(1))) for check in (my_gradcheck, sum_check))
    verdicts.append((truth, mine, blind))
    print(f"{name:<36} " + "".join(f"{'right' if verdict else 'wrong':<8}" for verdict in (truth, mine, blind)))
claim("your checker is right about all of them", all(mine == truth for truth, mine, _ in verdicts))
claim("the sum of the output lets mistakes pass", any(blind and not truth for truth, _, blind in verdicts))

# %% [markdown]
# A checker is code too, and is tested with planted mistakes. minivit's checker has a table of cases, with a row or more
# for every operation; the test suite runs all of it. Here are the rows of this lesson.

# %%
worst = 0.0
for name in ("add", "add:transposed", "mul", "matmul", "matmul:batched", "softmax", "softmax:axis"):
    make = CASES[name].make
    for shape in CASES[name].shapes:
        worst = max(worst, gradcheck(*make(rng, shape)).worst.error)
print(f"largest relative error: {worst:.0e}")
claim("minivit's sums, products, matrix products and softmax are right to 1e-6", worst < 1e-6)

# %% [markdown]
# ## float32 and float64
#
# Check in float64, train in float32. A float32 takes half the memory, so a processor handles twice as many at once, and
# its 7 digits are plenty for a step along a gradient that is noisy anyway:

# %%
a, b, dy = (rng.standard_normal(shape) for shape in ((64, 128), (128, 96), (64, 96)))
exact = matmul_backward(dy, a, b)[0]
rounded = matmul_backward(*(array.astype(np.float32) for array in (dy, a, b)))[0]
error = np.abs(rounded - exact).max() / np.abs(exact).max()
print(f"da of a 64 x 128 x 96 product in float32: {rounded.dtype}, relative error {error:.0e}")
claim("a gradient in float32 is right to 1e-5", error < 1e-5)

# %% [markdown]
# But the digits get lost quickly, and a float64 that slips in spreads through everything that follows. Two traps:

# %%
one = np.float32(1)
claim("in float32, 1 + 1e-8 is 1", one + np.float32(1e-8) == one)
claim("a float32 array times np.sqrt(64) is float64; times math.sqrt(64) it stays float32",
      (np.ones(3, np.float32) * np.sqrt(64)).dtype == np.float64
      and (np.ones(3, np.float32) * math.sqrt(64)).dtype == np.float32)
try:
    Tensor(np.ones(3, np.float32)) * np.ones(3)
    refused = False
except TypeError as error:
    refused = True
    print(f"TypeError: {error}")
claim("minivit refuses to mix the two", refused)

# %% [markdown]
# ## What you can do now
#
# You can write the backward of an operation: ask of each input number where it appears, and add up. You can check it:
# in float64, with central differences, with a random dy, on shapes that are not square, and with a checker that you
# have seen fail.
#
# **Read in minivit**: `minivit/function.py` (`unbroadcast`), `minivit/primitives/reduce.py` (`MatMul`),
# `minivit/ops/linear.py` (the product as a layer), `minivit/gradcheck/check.py` (the checker) and
# `minivit/gradcheck/cases.py` (its table).
#
# **Sources**: Griewank and Walther 2008, "Evaluating derivatives", chapter 3 (products with Jacobians, and what they
# cost); Abramowitz and Stegun 1964, table 25.2 (the four points); Press et al. 2007, "Numerical recipes", section 5.7
# (the best step).
#
# **Next**: lesson 3. Scores become probabilities, and a loop of ten lines reads handwriting.
