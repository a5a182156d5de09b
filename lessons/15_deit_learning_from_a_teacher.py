# %% [markdown]
# # Lesson 15: DeiT: learning from a teacher
#
# A ViT needs many images to find out what a convolutional network is built to assume. It can also ask one. Here a CNN
# teaches a small transformer, by its probabilities and by its choice, through a token that is there for that alone.
#
# - **Time**: 40 minutes to read, 60 for the exercises. Computing: 2 minutes (fast mode: 6 s).
# - **Before**: cross-entropy (lesson 3), the CNN (4), a ViT trained (9), augmentation and smoothing (10).
# - **You will have written**: soft and hard distillation with their gradients, and a DeiT with both its heads.

# %%
import json

import numpy as np
from matplotlib.figure import Figure

from minivit import Tensor, learn, ops
from minivit.data import Batch, Loader, ShiftRotate, Split, mnist5k, normalise
from minivit.inspect import record, token_cosine
from minivit.learn.lesson import FAST, claim, kept, show
from minivit.models import create
from minivit.modes import no_grad
from minivit.optim import AdamW, cosine, decay_groups
from minivit.streams import Draw
from minivit.train import Classification, Distillation, Workers, logits_of, train_epoch

rng, data = np.random.default_rng(15), mnist5k()

# %% [markdown]
# ## What "data-efficient" means
#
# The first ViT beat convolutional networks after it had seen 300 million images that only Google has. Of the 1.3
# million of ImageNet alone, ViT-B/16 learned 77.9 %. DeiT is the same architecture on the same 1.3 million, trained in
# two to three days on one machine: 81.8 %, and 83.4 % with a teacher (top-1, the paper's table 3).
#
# Read the two numbers one after the other, for "DeiT is distillation" is only half of it. Most of the way was the
# recipe: strong augmentation, mixup, stochastic depth, lesson 10. The teacher came on top. This lesson is about the
# teacher.
#
# ## A teacher
#
# Ours is the CNN of lesson 4. It may learn from all 4,000 digits; its students will have 500 of them, and far fewer in
# the fast mode.

# %%
LIGHT, STRONG = ShiftRotate(2.5, 12), ShiftRotate(3, 25)              # changes to images, light and strong
SEEDS, images, epochs, teacher_images, teacher_epochs = (0, 1, 2), 500, 60, 4000, 12
if FAST:
    SEEDS, images, epochs, teacher_images, teacher_epochs = (0,), 100, 4, 1000, 2
every = epochs // (2 if FAST else 6)                # a point of a curve after so many epochs


def train(model, split, epochs, loss, augment, seed, watch=lambda epoch: None):
    """Train a model much as in lesson 9, in batches of 50; watch(epoch) is called after each epoch."""
    loader = Loader(split, 50, data.mean, data.std, seed=seed, augment=augment)
    optimizer = AdamW(decay_groups(model, 0.1), lr=4e-3)
    schedule = cosine(4e-3, epochs * len(loader), max(1, epochs // 20) * len(loader), final=1e-5)
    with Workers() as workers:
        for epoch in range(epochs):
            for _ in train_epoch(model, loader.epoch(epoch), loss, optimizer, schedule, 1.0, seed, workers):
                pass
            watch(epoch)
    return model.eval()


def first(count):
    return Split(data.train.images[:count], data.train.labels[:count])


def softmax(logits):
    return ops.softmax(Tensor(logits)).data


def tested(model, images):
    """The logits of a trained model, (n, Y), for images as files have them."""
    with Workers() as workers:
        return logits_of(model, images, data.mean, data.std, workers)


teacher = train(create("cnn_nano_28"), first(teacher_images), teacher_epochs, Classification(0.1), LIGHT, seed=0)
answers_of_teacher = tested(teacher, data.test.images).argmax(axis=1)
print(f"teacher: {teacher.num_parameters():,} parameters, {teacher_images:,} digits, "
      f"{(answers_of_teacher == data.test.labels).mean():.1%} of the test digits")


@no_grad()
def ask(images):
    """The teacher's logits (B, Y), an array, for images (B, C, Sy, Sx)."""
    return teacher(Tensor(images)).data


# %% [markdown]
# What can it tell a student that already has the label of each of its images?
#
# 1. **What else it might be.** A label says "4". The teacher says "4, and if not, then a 9".
# 2. **What is left of it.** Training images are shifted and turned, and the label stays what it was. The teacher looks
#    at the image as the student gets it.
# 3. **How to go on from these images to others.** A convolution treats a stroke alike wherever it is. What the teacher
#    answers has been computed in that way, so its answers carry the bias with them. In the paper a convolutional
#    teacher makes a better student than a transformer of nearly the same accuracy (table 2). That the bias is the
#    reason is the authors' explanation: likely, not proved.
#
# The second is easily seen.

# %%
some = first(500)
changed = STRONG(some.images, Draw(15, 0, "lesson"))
p_plain, p_changed = (softmax(tested(teacher, pixels)) for pixels in (some.images, changed))
of_label = [p[np.arange(500), some.labels] for p in (p_plain, p_changed)]
others = np.flatnonzero(p_changed.argmax(axis=1) != some.labels)
print(f"the label's probability, by the teacher: {of_label[0].mean():.2f} for 500 training digits, "
      f"{of_label[1].mean():.2f} for the same ones shifted by up to 3 pixels and turned by up to 25 degrees; "
      f"{len(others)} of them it would call something else")
claim("the teacher is less sure of the label where a digit has been moved", of_label[1].mean() < of_label[0].mean())

shown = np.argsort(of_label[1])[[0, 2, 4, 8, 16, 250]]
figure = Figure(figsize=(10, 3.6), layout="constrained")
axes = figure.subplots(2, 6, height_ratios=(3, 2))
for (above, below), number in zip(axes.T, shown):
    above.imshow(changed[number, :, :, 0], cmap="gray_r")
    above.set(xticks=(), yticks=(), title=f"label {some.labels[number]}")
    below.bar(range(10), p_changed[number], color=["#d55e00" if y == some.labels[number] else "#0072b2"
                                                   for y in range(10)])
    below.set(xticks=range(10), ylim=(0, 1), yticks=(0, 1), xlabel="class")
axes[1, 0].set_ylabel("teacher's p")
show(figure, "15-teacher", alt="Six digits, shifted and turned, with the teacher's probability of each class below "
     "and the label's in orange: " + "; ".join(f"a {some.labels[k]}, which it calls {p_changed[k].argmax()} with "
                                               f"{p_changed[k].max():.0%}" for k in shown) + ".")

# %% [markdown]
# ## Soft distillation
#
# The older way (Hinton et al. 2015): the student's probabilities shall be the teacher's. A trained teacher is very
# sure, and its probabilities of the other classes are all next to 0. Dividing its logits by a **temperature** T above 1
# brings them out:
#
#     p = softmax(teacher / T)
#
# Classes keep their order, and come closer together. The student's logits are divided by the same T, and the distance
# of the two answers is the Kullback-Leibler divergence, a mean over images and a sum over classes:
#
#     q = softmax(student / T)        KL = 1/B sum_b sum_y p[b, y] log(p[b, y] / q[b, y])
#     loss = (1 - alpha) CE(student, labels) + alpha T^2 KL                                   (eq. 2 of the paper)

# %%
doubtful = tested(teacher, changed[shown[1:2]])
entropies = []
for T in (1, 3, 10):
    p = softmax(doubtful / T)[0]
    entropies.append(-np.sum(p * np.log(p)))
    print(f"T {T:2}: p = {' '.join(f'{each:.3f}' for each in p)}   entropy {entropies[-1]:.2f}")
claim("a higher temperature makes the classes more alike", entropies[0] < entropies[1] < entropies[2])

# %% [markdown]
# Where does T^2 come from? By the logits the gradient of KL is (q - p) / (T B): 1 / T from the division, and q - p
# itself becomes about 1 / T as large. Without T^2 a higher temperature would make the teacher quieter.

# %% [markdown]
# **Exercise `soft_distill_loss`** (25 min): this loss, and its gradient by the student's logits. `minivit learn check
# soft_distill_loss`

# %%
soft_distill_loss = learn.use("soft_distill_loss")

B, Y = 6, 10
student, opinion, of_head = rng.standard_normal((3, B, Y)) * [[[1.0]], [[3.0]], [[1.0]]]
labels = rng.integers(Y, size=B)
batch = Batch(np.empty((B, 0)), labels, np.arange(B))


def of_minivit(kind, *heads, **settings):
    """minivit's loss of the logits of one head or two, and its gradients by them."""
    heads = [Tensor(logits, requires_grad=True) for logits in heads]
    loss = Distillation(lambda images: opinion, kind, **settings)(tuple(heads) if len(heads) > 1 else heads[0], batch)
    loss.backward()
    return loss.item(), *(logits.grad for logits in heads)


def same(these, those):
    return all(np.abs(one - other).max() < 1e-12 for one, other in zip(these, those))


claim("your loss and its gradient are minivit's",
      same(soft_distill_loss(student, opinion, labels, 3.0, 0.3),
           of_minivit("soft", student, alpha=0.3, tau=3.0, kl_reduction="batchmean")))

# %%
size = {T: np.abs(soft_distill_loss(student, opinion, labels, T, 1.0)[1]).max() for T in (1.0, 3.0, 10.0, 100.0)}
for T, largest in size.items():
    print(f"T {T:5.0f}: largest gradient {largest:.4f}, without T^2 {largest / T ** 2:.7f}")
claim("from T 10 to T 100 the gradient keeps its size within a quarter; without T^2 it would fall to a hundredth",
      0.75 < size[100.0] / size[10.0] < 1.25)
apart = student - opinion
centred = apart - apart.mean(axis=1, keepdims=True)
limit = soft_distill_loss(student, opinion, labels, 1e4, 1.0)[1]
claim("for a very high T it is the distance of the logits, each less its mean, divided by B Y",
      np.abs(limit - centred / (B * Y)).max() < 1e-3 * np.abs(limit).max())

# %% [markdown]
# Three things to know when you read other code, or the paper:
#
# - Equation 2 is printed with the student first, KL(student, teacher). What is computed, in the authors' code as here,
#   has the teacher's probabilities before the logarithm. PyTorch's `kl_div(input, target)` takes the student first too
#   and means the second: sum target log(target / input).
# - The authors' code divides by B * Y, not by B: of 1,000 classes, the teacher is a thousand times quieter. An author
#   says (issue 61 of their repository) that their results were made so, and that dividing by B gave similar or slightly
#   lower ones. minivit has both, `--kl-reduction numel` and `batchmean`. Who takes alpha from a paper must know which.
# - A gradient into the teacher is never wanted: its logits are numbers (here `no_grad` sees to that).

# %%
batchmean, numel = (of_minivit("soft", student, alpha=1.0, tau=3.0, kl_reduction=how)[0] for how in
                    ("batchmean", "numel"))
p, q = softmax(opinion / 3), softmax(student / 3)
one_way, other_way = np.sum(p * np.log(p / q)) / B, np.sum(q * np.log(q / p)) / B
print(f"sum p log(p / q): {one_way:.4f}; sum q log(q / p): {other_way:.4f}")
claim("numel is Y times weaker", abs(batchmean / numel - Y) < 1e-9)
claim("the teacher's probabilities stand before the logarithm", abs(batchmean - 9 * one_way) < 1e-9)

# %% [markdown]
# ## Hard distillation
#
# The paper's own way is simpler. The teacher's choice is taken for a label, and has half of the loss (eq. 3):
#
#     answers[b] = argmax over y of teacher[b, y]
#     loss = 1/2 CE(of_class, labels) + 1/2 CE(of_teacher, answers)
#
# There is no T, and nothing is left of what else it might be. In the paper it is the better one: 83.0 % for DeiT-B,
# against 81.8 % with soft distillation, which is no more than without a teacher.
#
# `of_class` and `of_teacher` are the logits of two heads of the student; where the second comes from is the next
# section. Labels may be smoothed with it (lesson 10), the teacher's choice is not: it stands for what it saw.

# %% [markdown]
# **Exercise `hard_distill_loss`** (15 min): this loss, and its gradients by the logits of both heads. `minivit learn
# check hard_distill_loss`

# %%
hard_distill_loss = learn.use("hard_distill_loss")

found = hard_distill_loss(student, of_head, opinion, labels)
claim("your loss and its gradients are minivit's", same(found, of_minivit("hard", student, of_head)))
smoothed = of_minivit("hard", student, of_head, label_smoothing=0.1)
claim("with label smoothing the class head's gradient is another, the distillation head's the same",
      np.abs(smoothed[1] - found[1]).max() > 1e-3 and np.abs(smoothed[2] - found[2]).max() < 1e-12)

# %% [markdown]
# ## A token for the teacher
#
# A student with one head is pulled both ways by it: to the label, and to the teacher's answer where that is another.
# DeiT gives the second question a place of its own. A further vector, the **distillation token**, is put after the
# class token. It has its own position, goes through the same blocks, attends to the same patches, and is read by its
# own head:
#
#     z0 = [x_class; x_dist; patch_1 E; ...; patch_n E] + positions
#     of_class = head(LN(z)[class token])        of_teacher = head_dist(LN(z)[distillation token])
#
# Nothing in it says "teacher"; that is in the loss alone. In training there are two answers. A trained model gives one,
# the mean of both.

# %% [markdown]
# **Exercise `deit_forward`** (20 min): from images and weights to both heads' logits, and their mean. The parts of
# `vit_forward` are given. `minivit learn check deit_forward`

# %%
deit_forward = learn.use("deit_forward")

model = create("deit_nano_distilled_patch7_28", seed=0, zero_head=False).astype(np.float64)
weights, sizes = model.state_dict(), (model.config.depth, model.config.num_heads)
digits = normalise(data.test.images[:10], data.mean, data.std).astype(np.float64)
of_class, of_teacher, answer = deit_forward(digits, weights, *sizes)
with no_grad():
    claim("your DeiT computes what minivit's does, in training and in evaluation",
          same((of_class, of_teacher), (logits.data for logits in model.train()(Tensor(digits)))) and
          same((answer,), (model.eval()(Tensor(digits)).data,)))
D = model.config.embed_dim
extra = model.num_parameters() - create("vit_nano_patch7_28").num_parameters()
claim("the teacher's token costs 2 D + (D + 1) Y parameters: itself, its position, its head",
      extra == 2 * D + (D + 1) * 10)

# %%
without = weights | {"pos_embed": np.where(np.arange(18)[:, None] == 1, 0, weights["pos_embed"])}
claim("its position matters to its own head, and to the class head too: the tokens see each other",
      all(np.abs(one - other).max() > 1e-3 for one, other in
          zip(deit_forward(digits, without, *sizes)[:2], (of_class, of_teacher))))

# %% [markdown]
# ### The mean of what?
#
# The paper's text (section 4) adds the softmax outputs of the heads. The authors' code, timm and minivit average the
# logits. These are different rules: softmax of averaged logits is the geometric mean of the two probabilities, scaled
# to add up to 1, and a class that one head rules out has no chance; the text's is the arithmetic mean, where one sure
# head is enough.

# %%
geometric = np.sqrt(softmax(of_class) * softmax(of_teacher))
claim("softmax of the averaged logits is the geometric mean of both heads' probabilities, scaled to 1",
      np.abs(softmax(answer) - geometric / geometric.sum(axis=1, keepdims=True)).max() < 1e-12)
sure, doubting = np.array([[4.0, 0.0, -9.0]]), np.array([[-9.0, 0.0, 1.0]])
by_logits, by_probabilities = ((sure + doubting).argmax(), (softmax(sure) + softmax(doubting)).argmax())
print(f"logits {sure[0]} and {doubting[0]}: class {by_logits} by the code's rule, {by_probabilities} by the text's")
claim("the two rules can choose different classes", by_logits != by_probabilities)

# %% [markdown]
# ## Does it help?
#
# Three students, all the same DeiT with two tokens, on 500 digits that are shifted by up to 3 pixels and turned by up
# to 25 degrees each time:
#
# - **alone**: both heads learn the labels. That is a ViT with two class tokens.
# - **hard**: the distillation head learns the teacher's choice.
# - **soft**: it learns the teacher's probabilities, T = 3, alpha = 1/2, divided by B.
#
# What was to come out was written down before the runs of three seeds, after trials with another seed and students
# twice as wide. On average over the seeds, on 1,000 test digits:
#
# 1. Both kinds of teaching are worth a point of accuracy or more.
# 2. A taught student answers as its teacher does more often than the student alone.
# 3. With a hard teacher, the distillation head answers as the teacher does no more seldom than the class head.
# 4. Both heads together are not half a point below the better one.
# 5. The cosine of class and distillation token is larger after the last block than before the first, and below 1. The
#    paper has 0.06 and 0.93.

# %%
LOSSES = {"alone": Classification(0.1), "hard": Distillation(ask, "hard", label_smoothing=0.1),
          "soft": Distillation(ask, "soft", tau=3.0, kl_reduction="batchmean", label_smoothing=0.1)}


def look_into(model):
    """{what: figure} of a trained student, on the test digits."""
    with record(model, also=("norm",)) as rec:
        logits = {"both": tested(model, data.test.images)}
    for place, name in enumerate(("class", "dist")):                    # what the norm returned is (n, 2, D)
        head = model.head if name == "class" else model.head_dist
        logits[name] = rec.output("norm")[:, place] @ head.weight.data.T + head.bias.data
    answers = {name: x.argmax(axis=1) for name, x in logits.items()}
    by_text = (softmax(logits["class"]) + softmax(logits["dist"])).argmax(axis=1)
    return ({f"accuracy {name}": np.mean(said == data.test.labels) for name, said in answers.items()}
            | {f"agrees {name}": np.mean(said == answers_of_teacher) for name, said in answers.items()}
            | {"rules differ": np.mean(by_text != answers["both"]), "cosine": token_cosine(rec).mean(axis=1)})


runs, curves = {}, {}
for kind, loss in LOSSES.items():
    for seed in SEEDS:
        model, curve = create("deit_nano_distilled_patch7_28", seed=seed, embed_dim=32, num_heads=2), []

        def watch(epoch):
            if (epoch + 1) % every == 0:
                answers = tested(model, data.test.images).argmax(axis=1)
                curve.append((epoch + 1, np.mean(answers == data.test.labels)))

        train(model, first(images), epochs, loss, STRONG, seed, watch)
        runs[kind, seed], curves[kind, seed] = look_into(model), np.array(curve)
        run = runs[kind, seed]
        print(f"{kind:>5}, seed {seed}: {run['accuracy both']:.1%} (class head {run['accuracy class']:.1%}, "
              f"distillation head {run['accuracy dist']:.1%}); as the teacher: {run['agrees both']:.1%} "
              f"({run['agrees class']:.1%}, {run['agrees dist']:.1%}); cosines "
              f"{' '.join(f'{each:.2f}' for each in run['cosine'])}")


def mean(kind, what):
    return np.mean([runs[kind, seed][what] for seed in SEEDS], axis=0)


# %%
for kind in LOSSES:
    by_class, by_dist, by_both, agrees = (
        mean(kind, what) for what in ("accuracy class", "accuracy dist", "accuracy both", "agrees both"))
    gains = [100 * (runs[kind, seed]["accuracy both"] - runs["alone", seed]["accuracy both"]) for seed in SEEDS]
    print(f"{kind:>5}: {by_both:.1%} (class head {by_class:.1%}, distillation head {by_dist:.1%}); as the teacher "
          f"{agrees:.1%}; points gained, by seed: {' '.join(f'{gain:+.1f}' for gain in gains)}")
print(f"the rules of averaging differ on {np.mean([run['rules differ'] for run in runs.values()]):.2%} of the digits")
claim("the two tokens are more alike after the last block than before the first, and not the same",
      all(mean(kind, "cosine")[0] < mean(kind, "cosine")[-1] < 1 for kind in LOSSES))
if not FAST:
    claim("a soft teacher is worth a point or more",
          mean("soft", "accuracy both") > mean("alone", "accuracy both") + 0.01)
    claim("its student answers as it does more often", mean("soft", "agrees both") > mean("alone", "agrees both"))
    claim("both heads together are not half a point below the better one",
          all(mean(kind, "accuracy both") > max(mean(kind, "accuracy class"), mean(kind, "accuracy dist")) - 0.005
              for kind in ("hard", "soft")))

# %% [markdown]
# What came out, in the full mode on the machine this was written on:
#
# - **The soft teacher helps**: 81.6 % against 76.0 % alone, better with every seed, and closer to its teacher. 1 and 2
#   hold for it.
# - **The hard teacher did not**: 75.8 %. Its gains were +4.2, -1.6 and -3.0 points, while the same student alone comes
#   to 70.6 or to 80.0 %, depending on the seed. It is no closer to its teacher than the student alone, and its
#   distillation head no closer than the class head. 1, 2 and 3 did not show for it, and are not claimed.
# - 4 and 5 hold. But the cosine tells little here: with two of three seeds it ends above 0.9, taught or alone, and with
#   the third it stays below 0.2. The authors too tried two class tokens that learn the same labels, and report that
#   they became one vector (0.999).
#
# Why soft and not hard, when the paper finds the opposite? Look at what was printed of the teacher: of 500 changed
# digits it calls 26 something else. In 95 of 100 cases its choice is the label again, and a label said twice is no
# news. What this teacher knows beyond it lies in what else it might be. On ImageNet, with crops that miss the object, a
# choice says more. That is a guess, though it fits; what is certain is that a rule from there need not hold on your
# data.

# %% [markdown]
# Behind the dots of your runs, in grey, are those of a run that comes with minivit: 10,000 photographs instead of 500
# digits, a CNN that is right in two of three, and students alone and with that teacher, a soft one. (A hard teacher was
# tried there with the first seed only, and was worth 0.9 points.)

# %%
longer = json.loads(kept("distill.json").read_text(encoding="utf-8"))
print(f"kept run: {longer['command']}\n{longer['date']}, {longer['machine']}: {longer['about']}\n"
      f"the teacher is right in {longer['teacher']:.1%}")
for pair in longer["pairs"]:
    print(f"  seed {pair['seed']}: alone {pair['alone']:.1%}, taught {pair['taught']:.1%}")
gains = [pair["taught"] - pair["alone"] for pair in longer["pairs"]]
claim("kept run: the teacher is worth a point or more, in the mean and with every seed", min(gains) > 0.01)

STYLES = {"alone": ("#0072b2", "-"), "hard": ("#d55e00", "--"), "soft": ("#009e73", ":")}
figure = Figure(figsize=(12, 3.8), layout="constrained")
left, middle, right = figure.subplots(1, 3)
for kind, (color, style) in STYLES.items():
    kind_curves = np.array([curves[kind, seed] for seed in SEEDS])                      # (seeds, points, 2)
    at, accuracy = kind_curves[0, :, 0], 100 * kind_curves[:, :, 1]
    marker = "o" if FAST else None
    left.fill_between(at, accuracy.min(axis=0), accuracy.max(axis=0), color=color, alpha=0.2, linewidth=0)
    left.plot(at, accuracy.mean(axis=0), color=color, linestyle=style, marker=marker, label=kind)
    right.plot(mean(kind, "cosine"), color=color, linestyle=style, marker="o", label=kind)
left.axhline(100 * (answers_of_teacher == data.test.labels).mean(), color="black", linewidth=1, label="teacher")
left.set(xlabel="epoch", ylabel="test accuracy (%)")
right.axhline(0, color="black", linewidth=1)
right.set(xlabel="after block (0: before the first)", ylabel="cosine of class and distillation token",
          xticks=range(5), ylim=(-0.5, 1.05))
middle.plot([1] * len(longer["pairs"]), [100 * (pair["taught"] - pair["alone"]) for pair in longer["pairs"]], "s",
            color="0.6", markersize=11, label="kept run, soft")
for place, kind in enumerate(("hard", "soft")):
    gains = [100 * (runs[kind, seed]["accuracy both"] - runs["alone", seed]["accuracy both"]) for seed in SEEDS]
    middle.plot([place] * len(gains), gains, "o", color=STYLES[kind][0], label=f"yours, {kind}")
middle.axhline(0, color="black", linewidth=1)
middle.set(xticks=(0, 1), xticklabels=("hard", "soft"), xlim=(-0.6, 1.6), xlabel="teacher",
           ylabel="points gained by the teacher")
if FAST:
    left.set_title(f"fast mode: {epochs} epochs, which say nothing", fontsize=10)
for axis in (left, middle, right):
    axis.grid(alpha=0.3)
    axis.legend(fontsize="small")
show(figure, "15-students", alt="Three panels. Test accuracy over the epochs, mean and range of the seeds: at the end "
     + ", ".join(f"{kind} {mean(kind, 'accuracy both'):.1%}" for kind in LOSSES) + ". Points gained over the student "
     "alone, a dot for each seed, those of the kept run in grey. Cosine of class and distillation token by block: at "
     "the end " + ", ".join(f"{kind} {mean(kind, 'cosine')[-1]:.2f}" for kind in LOSSES) + ".")

# %% [markdown]
# ## What you can do now
#
# Let one network teach another: by its probabilities, with a temperature that does not change how loud it is, or by its
# choice; give a transformer a token for each question that it is asked; and read other people's distillation with care:
# which way round the divergence is, what it is divided by, what is averaged at the end. On the command line it is
# `minivit distill --teacher RUN`.
#
# **Explains** `minivit/models/deit.py`, `minivit/train/losses.py`, `minivit/inspect/cosine.py` and the recipe
# `minivit/train/recipes/deit-distill.toml`.
#
# **Sources.** Touvron et al. 2020, "Training data-efficient image transformers & distillation through attention", arXiv
# 2012.12877: section 4, eq. 2 (soft) and 3 (hard), tables 2 (teachers), 3 (kinds of distillation) and 9 (recipe); the
# cosines are in section 4. The authors' code, github.com/facebookresearch/deit: losses.py, models.py, issue 61. Hinton
# et al. 2015, "Distilling the knowledge in a neural network", arXiv 1503.02531, section 2.
#
# **Next**: lesson 16, the last: a trained DeiT is fine-tuned at a higher resolution, and its attention read.
