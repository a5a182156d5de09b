# %% [markdown]
# # Lesson 13: many workers, one gradient
#
# One processor core is slow, and machines have several; large models are trained on thousands of GPUs. The usual way to
# share the work is the same in both cases: everyone has the whole model and a part of the batch, and their gradients
# are put together. Here you find out when the result is the one that a single worker would have had, to rounding and
# to the last bit, what has to be sent, and what is gained.
#
# - **Time**: 40 minutes to read, 60 for the exercises. Computing: half a minute (fast mode: 6 s).
# - **Before**: the training loop (lessons 3 and 9).
# - **You will have written**: the deal of images to workers, the mean of their gradients, a ring all-reduce.

# %%
import hashlib
import threading
import time

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from minivit import Tensor, learn, ops, randomness
from minivit.backend import cpu_count
from minivit.data import Loader, mnist5k, normalise
from minivit.learn.lesson import FAST, claim, show
from minivit.models import create
from minivit.optim import SGD, AdamW
from minivit.train import Classification, Workers, train_epoch
from minivit.train.gradients import gradients
from minivit.train.workers import parts

data = mnist5k()
cores = cpu_count()
print(f"this process may use {cores} core{'s' if cores > 1 else ''}")

# %% [markdown]
# ## The gradient of a mean
#
# The loss of a batch is the mean over its B images, and the gradient of a mean is the mean of the gradients:
#
#     L = 1/B sum_b l_b        g = dL/dw = 1/B sum_b dl_b/dw
#
# Nothing in this sum needs another image's term. So W workers with the same weights w can each take a part of the
# images, worker r n_r of them, and compute the gradient g_r of the mean over its own. Then
#
#     g = sum_r n_r / B * g_r        B = n_0 + ... + n_(W-1)
#
# That is **data parallelism**. (One can also give every worker a part of the *model*; that is for models which do not
# fit into one worker's memory, and another subject.)


# %%
def gradient(model, images, labels):
    """The gradient of the mean loss of these images: an array for each parameter."""
    model.zero_grad()
    ops.cross_entropy(model(Tensor(images)), labels).backward()
    return [parameter.grad for parameter in model.parameters()]


def distance(a, b):
    """The largest difference between two lists of arrays, as a share of the largest number in them."""
    return max(np.abs(x - y).max() for x, y in zip(a, b)) / max(np.abs(y).max() for y in b)


model = create("vit_nano_patch7_28", depth=2, zero_head=False).astype(np.float64)
images = normalise(data.train.images[:64], data.mean, data.std).astype(np.float64)         # (B, C, Sy, Sx)
labels = data.train.labels[:64]

whole = gradient(model, images, labels)
halves = [gradient(model, images[cut], labels[cut]) for cut in (slice(0, 32), slice(32, 64))]
mean = [(a + b) / 2 for a, b in zip(*halves)]
print(f"2 x 32 and 1 x 64 images: the gradients differ by {distance(mean, whole):.0e}")
claim("in float64 they are equal to twelve digits", distance(mean, whole) < 1e-12)
claim("but neither half is the whole", min(distance(half, whole) for half in halves) > 0.05)

# %% [markdown]
# ## Mean, sum, and parts of different sizes
#
# Two mistakes are common here, and neither raises an error.
#
# - To add up where a mean is meant. W workers' steps are then W times as long, as if the learning rate had been
#   multiplied.
# - To take the plain mean where parts differ in size. In a part of 6 images each counts more than in a part of 37. It
#   goes unnoticed for a long time, because parts differ only where something is not divisible: at the end of an epoch.

# %% [markdown]
# **Exercise `average_gradients`** (15 min): the gradient of a batch, from the gradients of its parts and their sizes.
# `minivit learn check average_gradients`

# %%
average_gradients = learn.use("average_gradients")

sizes = [37, 21, 6]
ends = np.cumsum([0, *sizes])
of_parts = [gradient(model, images[start:end], labels[start:end]) for start, end in zip(ends, ends[1:])]
plain = [sum(arrays) / 3 for arrays in zip(*of_parts)]
weighted = average_gradients(of_parts, sizes)
print(f"parts of 37, 21 and 6: the weighted mean is off by {distance(weighted, whole):.0e}, the plain one by "
      f"{distance(plain, whole):.0%}")
claim("weighted by size, uneven parts make the gradient of the whole", distance(weighted, whole) < 1e-12)
claim("unweighted they do not", distance(plain, whole) > 0.03)

# %% [markdown]
# minivit, and many others, put the weight elsewhere, where it costs nothing: each part divides its loss not by its own
# number of images, but by that of the whole batch. Then gradients are simply added up.

# %%
model.zero_grad()
for start, end in zip(ends, ends[1:]):
    ops.cross_entropy(model(Tensor(images[start:end])), labels[start:end], images=64).backward()    # adds to .grad
added = [parameter.grad for parameter in model.parameters()]
claim("losses divided by the whole batch's size: the sum of the gradients is right", distance(added, whole) < 1e-12)

# %% [markdown]
# ## 2 x 32 is 1 x 64
#
# If the gradient of a step is the same, so is the step, and then the next: the whole training run is that of a single
# worker. Only rounding differs, about 7 digits in float32, and training carries it along.

# %%
STEPS = 10 if FAST else 62


def trained(world, dtype):
    """The weights after some steps of 64 images, shared by `world` workers."""
    model = create("vit_nano_patch7_28", depth=2, zero_head=False).astype(dtype)
    optimizer, loader = SGD(model, lr=0.05, momentum=0.9), Loader(data.train, 64, data.mean, data.std)
    for _, batch in zip(range(STEPS), loader.epoch(0)):
        shares = [batch[rank::world] for rank in range(world)]
        found = [gradient(model, share.images.astype(dtype), share.labels) for share in shares]
        for parameter, array in zip(model.parameters(), average_gradients(found, [len(share) for share in shares])):
            parameter.grad = array
        optimizer.step()
    return [parameter.data.copy() for parameter in model.parameters()]


for dtype, limit in ((np.float64, 1e-9), (np.float32, 1e-3)):
    with Workers(1):                                    # for such small matrices one thread of BLAS is enough
        apart = distance(trained(2, dtype), trained(1, dtype))
    print(f"{np.dtype(dtype)}: after {STEPS} steps the weights of 2 x 32 and of 1 x 64 differ by {apart:.0e}")
    claim(f"2 x 32 trains as 1 x 64 does, to rounding ({np.dtype(dtype)})", apart < limit)

# %% [markdown]
# All this is about the *same* batch, shared. If instead every worker takes 64 images, the batch has grown to W * 64,
# there are W times fewer steps in an epoch, and the learning rate has to be found anew. (For SGD, W times the rate with
# a warm-up is a good first try: Goyal et al. 2017.)
#
# ## What is not the same
#
# "Data parallel training computes exactly what one device would" is often said, and holds only if no image's loss
# depends on the other images of its part. Three things break it.
#
# **Batch norm** subtracts a mean over the batch, and divides by a standard deviation over the batch. A worker knows its
# own part only. For equal parts the mean of the parts' means is the mean of all, but the variance of all has a term
# that no part can see: how far the parts' means lie apart.
#
#     var(all) = mean of var_r + variance of the mean_r

# %%
features = images.reshape(64, -1) @ np.random.default_rng(0).standard_normal((784, 8)) / 28         # (B, D)
features = features[np.argsort(labels, kind="stable")].reshape(2, 32, 8)    # small digits to worker 0, large to 1
within, between = features.var(axis=1).mean(axis=0), features.mean(axis=1).var(axis=0)
total = features.reshape(64, 8).var(axis=0)


def batch_norm(x):
    return (x - x.mean(axis=0)) / x.std(axis=0)


def layer_norm(x):
    return ops.layernorm(Tensor(x), Tensor(np.ones(8)), Tensor(np.zeros(8))).data


for name, norm in (("batch norm", batch_norm), ("layer norm", layer_norm)):
    apart = np.abs(np.concatenate([norm(part) for part in features]) - norm(features.reshape(64, 8))).max()
    print(f"{name} in two parts, and at once: the largest difference is {apart:.2g}")
    claim(f"{name}: {'the same in parts' if norm is layer_norm else 'not the same in parts'}",
          apart < 1e-12 if norm is layer_norm else apart > 0.05)
claim("what is missing is the variance between the parts", np.allclose(within + between, total))

# %% [markdown]
# A ViT has layer norm, which looks at one token of one image. (For batch norm the workers can send each other their
# means and squares in every layer, forward and backward: "SyncBatchNorm".) minivit has no batch norm; its ResNets use
# group norm, for one image at a time.
#
# **Random masks.** If each worker has a generator with the same seed, image 0 of every part has the same dropout mask.
# With different seeds the masks differ, as they should, but are not those of a single worker. minivit's random numbers
# are *addressed*: a mask is a function of (seed, step, layer, number of the image in the whole batch), not of who asked
# before (`minivit/streams.py`). A part says at which image it begins.

# %%
dropping = create("vit_nano_patch7_28", depth=2, zero_head=False, drop_rate=0.1, drop_path_rate=0.2).train()


def logits_with_masks(start, end, first_image):
    with randomness(seed=0, step=3, first_image=first_image):
        return dropping(Tensor(images[start:end].astype(np.float32))).data


at_once = logits_with_masks(0, 64, 0)
addressed = np.concatenate([logits_with_masks(0, 32, 0), logits_with_masks(32, 64, 32)])
unaddressed = np.concatenate([logits_with_masks(0, 32, 0), logits_with_masks(32, 64, 0)])
print(f"two parts with addressed masks differ from the whole by {np.abs(addressed - at_once).max():.0e}, with the same "
      f"masks for both by {np.abs(unaddressed - at_once).max():.1f}")
claim("addressed by image, masks do not depend on the parts", np.abs(addressed - at_once).max() < 1e-4)
claim("a generator at each worker with the same seed repeats them", np.abs(unaddressed - at_once).max() > 0.05)

# %% [markdown]
# **What looks at the whole gradient**: clipping by norm comes after the gradients have been put together. Each worker
# clipping its own makes another sum.
#
# ## Who takes which image
#
# Workers that are processes, or on different machines, each read their images themselves. They have to agree on who
# takes which, in a new order in each epoch, without talking about it.

# %% [markdown]
# **Exercise `shard_indices`** (15 min): the images of worker `rank`. `minivit learn check shard_indices`

# %%
shard_indices = learn.use("shard_indices")

world, B = 2, 64
n = len(data.train)
dealt = [shard_indices(n, world, rank, seed=5, epoch=1) for rank in range(world)]
alone = Loader(data.train, B, data.mean, data.std, seed=5, threads=0)
batch = next(alone.epoch(1))
claim("every image belongs to one worker", (np.sort(np.concatenate(dealt)) == np.arange(n)).all())
claim("the first 32 images of two workers are the first batch of 64 of minivit's loader",
      set(np.concatenate([own[:B // world] for own in dealt])) == set(batch.index))

# %% [markdown]
# And where it does not come out even? Of 50 images three workers have 17, 17 and 16. In batches of 4 that is 5 batches,
# 5, and 4: after the fourth, the last worker is done, and the others wait for its gradient, for ever. One can
#
# - give out two images twice, so that all have 17 and a fifth batch (PyTorch's `DistributedSampler`): these images
#   count twice, in an evaluation too;
# - leave the tail out: with a new order each time, other images are left out in every epoch;
# - let everyone take part in every step, some with fewer images or none, and weigh by size.
#
# You have written what the third way needs: the weight of a part without images is 0.

# %%
shares = [shard_indices(50, 3, rank, seed=0, epoch=0) for rank in range(3)]
batches = [-(-len(share) // 4) for share in shares]
print("images:", [len(share) for share in shares], " batches of 4:", batches)
claim("the workers do not have equally many batches", batches == [5, 5, 4])
steps = [[len(share[4 * k:4 * k + 4]) for share in shares] for k in range(max(batches))]
print("images of each worker, step by step:", steps)
claim("weighed by size, every image counts once", sum(map(sum, steps)) == 50 and steps[-1] == [1, 1, 0])

# %% [markdown]
# ## All-reduce
#
# Threads share their memory; processes and GPUs do not. There, every worker has its gradient and wants the sum of all:
# an **all-reduce**. The obvious way goes through one of them: all send to worker 0, which adds up and sends the sum
# back. With a gradient of n numbers, worker 0 receives and sends (W - 1) n of them, and the others wait.
#
# On a *ring* all lines are busy all the time. Cut the gradient into W chunks. In the first round each chunk travels
# once round the ring, and every worker it visits adds its own to it: after W - 1 steps it is a sum of all
# (reduce-scatter). In the second round the finished chunks travel round again, and everyone keeps a copy (all-gather).
# Each worker sends all chunks but one, twice:
#
#     numbers sent by a worker = 2 (W - 1) / W * n

# %% [markdown]
# **Exercise `ring_all_reduce`** (30 min): the two rounds. The checker counts what you send.
# `minivit learn check ring_all_reduce`

# %%
ring_all_reduce = learn.use("ring_all_reduce")


class Lines:
    """Carries chunks from worker to worker, and notes (source, target, chunk)."""

    def __init__(self):
        self.sent = []

    def send(self, source, target, chunk):
        self.sent.append((source, target, chunk.copy()))
        return chunk.copy()

    def busiest(self):
        """The most numbers that a worker has sent."""
        return max(sum(chunk.size for source, _, chunk in self.sent if source == rank)
                   for rank in {source for source, _, _ in self.sent})


rows = [np.concatenate([size / 64 * array.ravel() for array in one]) for one, size in zip(of_parts, sizes)]
lines = Lines()
reduced = ring_all_reduce(rows, lines.send)
flat = np.concatenate([array.ravel() for array in whole])
n = flat.size
print(f"3 workers, a gradient of {n:,} numbers: each sends at most {lines.busiest():,}, which is "
      f"{lines.busiest() / n:.3f} n")
claim("every worker has the gradient of the whole batch",
      all(np.abs(row - flat).max() < 1e-12 * np.abs(flat).max() for row in reduced))
claim("and no bit differs from worker to worker", all(row.tobytes() == reduced[0].tobytes() for row in reduced))

print(f"{'workers':>9} {'a ring, each sends':>20} {'through worker 0, it sends':>28}")
for W in (2, 3, 4, 8, 16, 32):
    lines = Lines()
    ring_all_reduce([np.ones(960)] * W, lines.send)
    print(f"{W:>9} {lines.busiest() / 960:>18.3f} n {W - 1:>26} n")
    claim(f"{W} workers on a ring: 2 (W - 1) messages each, 2 (W - 1) / W n numbers",
          len(lines.sent) == 2 * (W - 1) * W and lines.busiest() == 2 * (W - 1) * 960 / W)

# %% [markdown]
# Below, the messages of four workers, each in a row. A letter is a chunk, and the digits say whose numbers are in it.
# That can be read from the messages alone, if every worker's chunks hold a bit of their own: for worker r and chunk
# number k it is 2^(r + 4k).

# %%
lines = Lines()
ring_all_reduce([2.0 ** (rank + 4 * np.arange(4)) for rank in range(4)], lines.send)
messages = [[] for _ in range(4)]                                   # of each rank: (whose numbers, chunk)
for source, _, chunk in lines.sent:
    k = (int(chunk[0]).bit_length() - 1) // 4
    messages[source].append(("".join(str(rank) for rank in range(4) if int(chunk[0]) >> rank + 4 * k & 1), "abcd"[k]))
for own in messages:
    own.sort(key=lambda message: len(message[0]))                   # as they are sent, if it is done in steps
count = np.array([[len(workers) for workers, _ in own] for own in messages])
claim("in the first round every message grows by a worker, in the second all are complete",
      (count == [1, 2, 3, 4, 4, 4]).all())

figure = Figure(figsize=(8.5, 3.2), layout="constrained")
axis = figure.subplots()
axis.imshow(count, cmap="Blues", vmin=0, vmax=6, aspect="auto")
for source, step in np.ndindex(4, 6):
    axis.text(step, source, "{1} {0}".format(*messages[source][step]), ha="center", va="center", fontsize=12)
for edge in (0.5, 1.5, 2.5):
    axis.axhline(edge, color="white", linewidth=2)
axis.axvline(2.5, color="black", linewidth=2)
axis.set(xticks=range(6), xticklabels=range(1, 7), yticks=range(4), ylabel="sent by rank",
         xlabel="step (reduce-scatter: 1 to 3, all-gather: 4 to 6)")
show(figure, "13-ring", alt="The messages of four workers on a ring in six steps. In steps 1, 2 and 3 they hold the "
     "numbers of one, two and three workers; in steps 4, 5 and 6 those of all four. In every step each worker sends a "
     "different chunk.")

# %% [markdown]
# How much is that? The gradient of ViT-B/16 is 86.6 million numbers of 4 bytes, and 8 workers send it in every step.

# %%
each = 2 * 7 / 8 * 86_567_656 * 4
print(f"each of 8 workers sends {each / 1e6:.0f} MB a step: {each / 1.25e9:.2f} s on a network of 10 Gbit/s, "
      f"{each / 50e9 * 1000:.0f} ms on one of 400 Gbit/s")
claim("the ring is 4 times better than all through one worker", 7 * 86_567_656 * 4 / each == 4)

# %% [markdown]
# ## Why the order of a sum is fixed
#
# Sums of floating-point numbers depend on their order: (a + b) + c and a + (b + c) are rounded at different places. If
# gradients were added as they arrive, two runs with the same seed would differ in the last bits, and then, step by
# step, in more of them. One could never know whether a change in the code had changed a result.
#
# minivit fixes two things. The batch is cut into parts by its shape alone, never by how many workers there are
# (`minivit/train/workers.py`). And the parts' gradients are added in the order of the images, whichever is ready first
# (`OrderedSum` in `minivit/train/gradients.py`). Here with parts of a batch, computed by hand:

# %%
SIZE = 512 if FAST else 1024
model = create("vit_nano_patch7_28", depth=2 if FAST else 4, zero_head=False)
batch = next(Loader(data.train, SIZE, data.mean, data.std, seed=1).epoch(0))
cuts = parts(len(batch), model.token_shape)


def of_part(cut):
    """The share that a part of the batch has in the gradient, as one row of numbers."""
    part, found = batch[cut], {}
    loss = ops.cross_entropy(model(Tensor(part.images)), part.labels, images=len(batch))
    loss.backward(sink=lambda leaf, array, owned: found.update({id(leaf): array}))      # not to .grad: a thread's own
    return np.concatenate([found[id(parameter)].ravel() for parameter in model.parameters()])


with Workers(2) as workers:
    rows = workers.map(of_part, cuts)
    gradients(model, Classification(), batch, seed=0, step=0, workers=workers)
flat = np.concatenate([parameter.grad.ravel() for parameter in model.parameters()])
forwards, backwards = sum(rows[1:], rows[0]), sum(rows[-2::-1], rows[-1])
print(f"{len(cuts)} parts of {[cut.stop - cut.start for cut in cuts]} images; added in the other order, "
      f"{(forwards != backwards).mean():.0%} of the numbers differ in their last bits, by at most "
      f"{np.abs(forwards - backwards).max() / np.abs(forwards).max():.0e} of the largest")
claim("added in the order of the images: bit for bit minivit's gradient", forwards.tobytes() == flat.tobytes())
claim("in another order: the same to rounding, and not the same bits",
      backwards.tobytes() != forwards.tobytes() and np.allclose(backwards, forwards, rtol=0, atol=1e-5))


# %%
def weights_after(count, steps=2 if FAST else 8):
    """A digest of all weights after some steps with `count` threads."""
    model = create("vit_nano_patch7_28", depth=2, drop_rate=0.1, zero_head=False)
    loader, optimizer = Loader(data.train, 512, data.mean, data.std), AdamW(model, lr=1e-3)
    with Workers(count) as workers:
        taken = train_epoch(model, loader.epoch(0), Classification(), optimizer, lambda step: 1e-3, workers=workers)
        for _ in zip(range(steps), taken):
            pass
    return hashlib.sha256(b"".join(parameter.data.tobytes() for parameter in model.parameters())).hexdigest()


digests = [weights_after(count) for count in (1, 2, 3, 4)]
print("\n".join(f"{count} thread{'s' if count > 1 else ' '}: {digest[:16]}" for count, digest in enumerate(digests, 1)))
claim("1, 2, 3 and 4 threads train the same weights, bit for bit, with AdamW and dropout", len(set(digests)) == 1)

# %% [markdown]
# A ring has a fixed order too, chunk k begins at worker k; but with another W it is another order. So a run on four
# GPUs and one on eight agree to rounding only.
#
# ## What threads can do in Python
#
# "Python has a global lock, so its threads never compute at the same time." The first half is so: whoever runs Python
# code holds the lock. (There are builds without it since Python 3.13.) The second half is wrong for NumPy, which gives
# the lock up while it is in a long loop or a matrix product. The proof: let a thread make one long call, and look
# whether Python goes on meanwhile. What counts are moments in the middle half of the call.

# %%
x = np.linspace(-3, 3, 4_000_000)
call, moments = [], []


def long_call():
    call.append(time.perf_counter())
    np.tanh(x)
    call.append(time.perf_counter())


thread = threading.Thread(target=long_call)
thread.start()
while thread.is_alive():
    moments.append(time.perf_counter())
thread.join()
quarter = (call[1] - call[0]) / 4
during = sum(call[0] + quarter < moment < call[1] - quarter for moment in moments)
print(f"NumPy computed for {1000 * (call[1] - call[0]):.0f} ms, and in the middle half of that Python looked at the "
      f"clock {during:,} times")
claim("Python goes on while another thread is in a long NumPy call", during > 100)

# %% [markdown]
# For short calls it is otherwise. Between two of them a thread needs the lock, and where every call takes a
# microsecond, the threads stand in line. (NumPy does not even give the lock up for loops of up to 500 numbers.) The
# same 2 million numbers, cut into calls of different length, by one thread and by two:


# %%
def seconds(function, repeats=2 if FAST else 7):
    """The shortest time that function() took: what is longer was disturbed."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def in_calls_of(length):
    """A function that computes tanh of half of the numbers, in calls of so many."""
    def work(half):
        for start in range(0, 1_000_000, length):
            np.tanh(half[start:start + length])
    return work


halves = [x[:1_000_000], x[1_000_000:2_000_000]]
print(f"{'numbers in a call':>18} {'1 thread':>10} {'2 threads':>10} {'speed-up':>9}        ({cores} core"
      f"{'s' if cores > 1 else ''})")
for length in (50, 1_000, 20_000, 1_000_000):
    took = {}
    for count in (1, 2):
        with Workers(count) as workers:
            took[count] = seconds(lambda: workers.map(in_calls_of(length), halves))
    print(f"{length:>18,} {1000 * took[1]:>7.0f} ms {1000 * took[2]:>7.0f} ms {took[1] / took[2]:>9.2f}")

# %% [markdown]
# That is why minivit's parts are large, a thousand tokens and more: many threads with small parts would wait for the
# lock. And it is why the workers keep BLAS, which multiplies matrices with threads of its own, to one thread each. Else
# W workers would start W times as many threads as there are cores.
#
# ## A step, watched
#
# A training step in parts, by threads; every part notes who computed it, and when. The optimizer's step comes at the
# end, when all gradients are there, and is done by one thread.

# %%
optimizer, spans = AdamW(model, lr=1e-3), []


def watched(cut):
    """The gradient of a part; notes (thread, begin, end of the forward pass, end)."""
    part, found, begin = batch[cut], {}, time.perf_counter()
    loss = ops.cross_entropy(model(Tensor(part.images)), part.labels, images=len(batch))
    middle = time.perf_counter()
    loss.backward(sink=lambda leaf, array, owned: found.update({leaf: array}))
    spans.append((threading.get_ident(), begin, middle, time.perf_counter()))
    return found


def step(workers):
    """One step; returns its (begin, end of the parts, end)."""
    spans.clear()
    begin = time.perf_counter()
    optimizer.zero_grad()
    found = workers.map(watched, cuts)
    middle = time.perf_counter()
    for leaf in found[0]:
        leaf.grad = sum(part[leaf] for part in found)
    optimizer.step()
    return begin, middle, time.perf_counter()


counts = [1, 2] + [count for count in (4, 8) if count <= min(cores, len(cuts))]
runs = {}
for count in counts:
    with Workers(count) as workers:
        step(workers)                                               # the first one warms the caches
        for _ in range(2 if FAST else 7):
            moments = step(workers)
            if count not in runs or moments[2] - moments[0] < runs[count][0][2] - runs[count][0][0]:
                runs[count] = moments, list(spans)

# %% [markdown]
# With W workers the *speed-up* is the time of one worker over the time of W, and the *efficiency* is the speed-up over
# W: the share of the workers' time that was of use. Some of what keeps it below 1 is seen in the picture: a worker
# waits because the number of parts is no multiple of W, because another part took longer, or because the optimizer is
# at work. And the parts themselves take longer side by side than alone: cores share memory, caches, and Python's lock.
#
# The part that is not shared sets a limit, **Amdahl's law**: if one worker spends the share s of its time there,
#
#     speed-up(W) = 1 / (s + (1 - s) / W)  <=  1 / s


# %%
def amdahl(s, W):
    return 1 / (s + (1 - s) / W)


(begin, middle, end), _ = runs[1]
alone, s = end - begin, (end - middle) / (end - begin)
print(f"{cores} core{'s' if cores > 1 else ''}, {len(batch)} images in {len(cuts)} parts; the share that is not shared "
      f"is s = {s:.1%}")
print(f"{'workers':>8} {'step':>9} {'speed-up':>9} {'efficiency':>11} {'Amdahl':>7} {'waited':>7}")
for count, ((begin, middle, end), found) in runs.items():
    busy = sum(stop - start for _, start, _, stop in found) + (end - middle)
    print(f"{count:>8} {1000 * (end - begin):>6.0f} ms {alone / (end - begin):>9.2f} "
          f"{alone / (end - begin) / count:>11.0%} {amdahl(s, count):>7.2f} {1 - busy / count / (end - begin):>7.0%}")
claim("a twentieth that is not shared, and 1,000 workers are not even 20 times as fast as one",
      19 < amdahl(0.05, 1000) < 20)
claim("eight workers are then less than six times as fast", 5.9 < amdahl(0.05, 8) < 6)
claim("every part was computed once, by one of the workers",
      all(len(found) == len(cuts) and len({thread for thread, *_ in found}) <= count
          for count, (_, found) in runs.items()))

# %% [markdown]
# These are times of this machine at this moment, and nothing is claimed of them. With fewer cores than workers there is
# nothing to be gained: threads then take turns. If the speed-up is far below Amdahl's, then not because of what one
# worker does alone, but because of what the cores share, among themselves and with other programs.

# %%
FORWARD, BACKWARD, REST = "#56b4e9", "#0072b2", "#d55e00"
figure = Figure(figsize=(9.5, 4.4), layout="constrained")
left, right = figure.subplots(1, 2, width_ratios=(2, 1))
names = []
for count in (1, counts[-1]):
    (begin, middle, end), found = runs[count]
    threads = sorted({thread for thread, *_ in found}, key=[thread for thread, *_ in found].index)
    for worker in range(count):
        bars = [(begin, end, "none")]
        for thread, start, turn, stop in found:
            if threads.index(thread) == worker:
                bars += [(start, turn, FORWARD), (turn, stop, BACKWARD)]
        bars += [(middle, end, REST)] if worker == 0 else []
        for a, b, color in bars:
            left.barh(len(names), 1000 * (b - a), left=1000 * (a - begin), color=color, linewidth=0.5,
                      edgecolor="#999999" if color == "none" else "white", hatch="////" if color == "none" else None)
        names.append(f"worker {worker} of {count}")
left.set(yticks=range(len(names)), yticklabels=names, xlabel="milliseconds of a step")
left.invert_yaxis()
left.legend(handles=[Patch(facecolor=FORWARD, label="forward"), Patch(facecolor=BACKWARD, label="backward"),
                     Patch(facecolor=REST, label="sum, optimizer"),
                     Patch(facecolor="none", edgecolor="#999999", hatch="////", label="waits")],
            loc="lower center", bbox_to_anchor=(0.45, 1), ncols=4, frameon=False)
W = np.arange(1, 9)
right.plot(W, W, color="#999999", linestyle=":", label="W, the best there can be")
right.plot(W, [amdahl(s, w) for w in W], color="#d55e00", linestyle="--", label=f"Amdahl, s = {s:.1%}")
right.plot(counts, [alone / (runs[count][0][2] - runs[count][0][0]) for count in counts], "o", color="#0072b2",
           label=f"measured, {cores} core{'s' if cores > 1 else ''}")
right.set(xlabel="workers W", ylabel="speed-up", xlim=(0.7, 8.3), ylim=(0, 8.3))
right.legend(loc="upper left", frameon=False)
right.grid(alpha=0.3)
show(figure, "13-step", alt=f"Left: a training step as a timeline, by 1 worker and by {counts[-1]}. Each computes its "
     "parts, forward and backward; at the end one adds up and runs the optimizer while the others wait. Right: the "
     "speed-up that was measured, and the line of Amdahl's law.")

# %% [markdown]
# ## Several GPUs
#
# On several GPUs the idea is the same, and the sum is the work of a library: NVIDIA's is NCCL, which all-reduces along
# rings and trees between the GPUs' memories. There is a process for each GPU. A good program does not wait for the end
# of the backward pass: the gradients of the last layers are finished first, and are sent, in buckets of some MB, while
# those of the layers before are computed (Li et al. 2020). minivit does none of this. It trains on the cores of one
# machine, in the way that you have seen, or on one GPU; a GPU computes the batch at once. Nothing in this lesson ran on
# several machines or GPUs, and the ring above was a simulation that counts.
#
# ## What you can do now
#
# Share a batch among workers and put the gradient together so that it is the one of a single worker; say what breaks
# that; deal out images; send a sum round a ring and count its bytes; tell rounding from a mistake, and make a run the
# same to the last bit; measure speed-up and efficiency, and say what limits them.
#
# **Explains** `minivit/train/workers.py`, `minivit/train/gradients.py`, `minivit/streams.py` and the order in
# `minivit/data/loader.py`.
#
# **Sources.** Patarasuk and Yuan 2009, "Bandwidth optimal all-reduce algorithms for clusters of workstations", Journal
# of Parallel and Distributed Computing 69 (the ring). Goyal et al. 2017, "Accurate, large minibatch SGD", arXiv
# 1706.02677 (the learning rate; remark 3: divide by the whole batch's size). Li et al. 2020, "PyTorch
# Distributed", arXiv 2006.15704 (buckets; its gradients are plain means). Amdahl 1967, "Validity of the single
# processor approach to achieving large scale computing capabilities". Salmon et al. 2011, "Parallel random numbers: as
# easy as 1, 2, 3" (addressed random numbers).
#
# **Next**: lesson 14, pre-train, then fine-tune at a higher resolution.
