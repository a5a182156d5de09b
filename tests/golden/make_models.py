"""Write models/*.npz: small models of timm, Hugging Face and PyTorch, what they compute, and all their gradients.

Recreate them (some seconds) in the scratch environment that make_golden.py describes, with transformers==5.23.0:

    /tmp/golden/bin/python tests/golden/make_models.py

One file for each model of MODELS. Parameters have timm's names there, whoever the model is by:

    images, param/*     float32: what goes in
    dlogits             float32: the output gradient
    logits              float64, as is all that comes out; (2, B, Y) where the model returns a pair
    dimages, grad/*     the gradients of sum(logits * dlogits)

A new model is a new entry of MODELS: a function that returns the PyTorch module, {timm's name: the module's own names},
of which several make one parameter, one after the other along its first axis, and a function from images to logits.
Two runs with the same versions write the same bytes.
"""
import json
from functools import partial
from pathlib import Path

import numpy as np
import timm
import torch
import transformers
from timm.models.deit import VisionTransformerDistilled
from timm.models.vision_transformer import VisionTransformer
from torch import nn

HERE = Path(__file__).parent
SEED = 23
B, Y, C, S, P, G = 3, 5, 2, (8, 12), (4, 2), (2, 6)
D, F, H, DEPTH = 12, 24, 3, 2
TIMM = dict(img_size=S, patch_size=P, in_chans=C, num_classes=Y, embed_dim=D, depth=DEPTH, num_heads=H, mlp_ratio=F / D)
HUGGING_FACE = dict(image_size=S, patch_size=P, num_channels=C, num_labels=Y, hidden_size=D, num_hidden_layers=DEPTH,
                    num_attention_heads=H, intermediate_size=F)


def main():
    torch.set_num_threads(1)
    modules = (np, timm, torch, transformers)
    provenance = {"call": "python tests/golden/make_models.py", "seed": SEED,
                  "versions": {module.__name__: str(module.__version__) for module in modules}}
    for name, make in MODELS.items():
        path = HERE / "models" / f"{name}.npz"
        np.savez_compressed(path, provenance=json.dumps(provenance), **golden(name, *make()))
        print(f"{path.name:24}{path.stat().st_size:>8,} bytes")


def golden(name, module, names, forward):
    """The arrays of one file."""
    rng = np.random.default_rng([SEED, *name.encode()])
    module.double()
    parameters = dict(module.named_parameters())
    assert sorted(parameters) == sorted(own for several in names.values() for own in several), "names are left over"
    norms = {f"{path}.weight" for path, part in module.named_modules() if isinstance(part, nn.LayerNorm)}
    with torch.no_grad():
        for own, parameter in parameters.items():
            parameter.copy_(normal(rng, *parameter.shape, std=0.3, mean=own in norms))
    images = normal(rng, B, C, *S).requires_grad_()
    logits = forward(images)
    logits = torch.stack(logits) if isinstance(logits, tuple) else logits
    dlogits = normal(rng, *logits.shape)
    logits.backward(dlogits)
    values = {name: torch.cat([parameters[own] for own in several]) for name, several in names.items()}
    grads = {name: torch.cat([parameters[own].grad for own in several]) for name, several in names.items()}
    arrays = {"images": images, "dlogits": dlogits} | {f"param/{name}": value for name, value in values.items()}
    arrays = {name: tensor.float() for name, tensor in arrays.items()}
    arrays |= {"logits": logits, "dimages": images.grad} | {f"grad/{name}": grad for name, grad in grads.items()}
    return {name: tensor.detach().numpy() for name, tensor in arrays.items()}


def normal(rng, *shape, std=1.0, mean=0.0):
    """Normal numbers that float32 holds exactly, as float64."""
    return torch.from_numpy((rng.standard_normal(shape) * std + mean).astype(np.float32).astype(np.float64))


def of_timm(kind, training=True, **options):
    """A model of timm's class `kind`; the names are its own."""
    module = kind(**TIMM, **options).train(training)
    if kind is VisionTransformerDistilled:
        module.set_distilled_training(True)
    return module, {name: [name] for name, _ in module.named_parameters()}, module


def weights_and_biases(modules):
    """The names of both, for {timm's name of a module: the module's own names}."""
    return {f"{name}.{kind}": [f"{own}.{kind}" for own in several]
            for name, several in modules.items() for kind in ("weight", "bias")}


def names_of_hugging_face(base, head):
    """The names of a ViT or DeiT, whose encoder is `base` and whose head is `head`."""
    modules = {"patch_embed.proj": [f"{base}.embeddings.patch_embeddings.projection"], "norm": [f"{base}.layernorm"],
               "head": [head]}
    for i in range(DEPTH):
        block = f"{base}.layers.{i}"
        modules |= {f"blocks.{i}.norm1": [f"{block}.layernorm_before"],
                    f"blocks.{i}.attn.qkv": [f"{block}.attention.{part}_proj" for part in "qkv"],
                    f"blocks.{i}.attn.proj": [f"{block}.attention.o_proj"],
                    f"blocks.{i}.norm2": [f"{block}.layernorm_after"],
                    f"blocks.{i}.mlp.fc1": [f"{block}.mlp.fc1"], f"blocks.{i}.mlp.fc2": [f"{block}.mlp.fc2"]}
    tokens = {"cls_token": [f"{base}.embeddings.cls_token"], "pos_embed": [f"{base}.embeddings.position_embeddings"]}
    return tokens | weights_and_biases(modules)


def hugging_face_vit():
    module = transformers.ViTForImageClassification(transformers.ViTConfig(**HUGGING_FACE))
    return module, names_of_hugging_face("vit", "classifier"), lambda images: module(images).logits


def hugging_face_deit():
    module = transformers.DeiTForImageClassificationWithTeacher(transformers.DeiTConfig(**HUGGING_FACE))
    names = names_of_hugging_face("deit", "cls_classifier")
    names["dist_token"] = ["deit.embeddings.distillation_token"]
    names |= weights_and_biases({"head_dist": ["distillation_classifier"]})
    return module, names, lambda images: module(images).logits


def hugging_face_pooler():
    """The hidden tanh layer of the paper's pre-training is Hugging Face's pooler."""
    config = transformers.ViTConfig(**HUGGING_FACE, pooler_output_size=7, pooler_act="tanh")
    module = nn.ModuleDict({"vit": transformers.ViTModel(config), "classifier": nn.Linear(7, Y)})
    names = names_of_hugging_face("vit", "classifier") | weights_and_biases({"pre_logits.fc": ["vit.pooler.dense"]})
    return module, names, lambda images: module["classifier"](module["vit"](images).pooler_output)


def pytorch_post_norm():
    """A ViT around PyTorch's own encoder, which puts layer norm after each addition."""
    layer = nn.TransformerEncoderLayer(D, H, F, dropout=0.0, activation="gelu", layer_norm_eps=1e-6, batch_first=True)
    module = nn.ModuleDict({
        "patches": nn.Conv2d(C, D, P, P), "head": nn.Linear(D, Y),
        "encoder": nn.TransformerEncoder(layer, DEPTH, nn.LayerNorm(D, 1e-6), enable_nested_tensor=False),
        "tokens": nn.ParameterDict({"cls": torch.empty(1, 1, D), "positions": torch.empty(1, 1 + G[0] * G[1], D)})})
    modules = {"patch_embed.proj": ["patches"], "norm": ["encoder.norm"], "head": ["head"]}
    names = {"cls_token": ["tokens.cls"], "pos_embed": ["tokens.positions"]}
    for i in range(DEPTH):
        block = f"encoder.layers.{i}"
        modules |= {f"blocks.{i}.{name}": [f"{block}.{own}"] for name, own in {
            "norm1": "norm1", "attn.proj": "self_attn.out_proj", "norm2": "norm2", "mlp.fc1": "linear1",
            "mlp.fc2": "linear2"}.items()}
        names |= {f"blocks.{i}.attn.qkv.{kind}": [f"{block}.self_attn.in_proj_{kind}"] for kind in ("weight", "bias")}

    def forward(images):
        x = module["patches"](images).flatten(2).transpose(1, 2)
        x = torch.cat([module["tokens"]["cls"].expand(B, 1, D), x], 1) + module["tokens"]["positions"]
        return module["head"](module["encoder"](x)[:, 0])
    return module, names | weights_and_biases(modules), forward


vit, deit = partial(of_timm, VisionTransformer), partial(of_timm, VisionTransformerDistilled)
MODELS = {
    "vit": vit,
    "vit-no-qkv-bias": partial(vit, qkv_bias=False),
    "vit-gelu-tanh": partial(vit, act_layer=partial(nn.GELU, approximate="tanh")),
    "vit-no-positions": partial(vit, pos_embed="none"),
    "vit-gap": partial(vit, class_token=False, global_pool="avg", fc_norm=False),
    "vit-mean": partial(vit, global_pool="avg", fc_norm=False),
    "vit-fc-norm": partial(vit, global_pool="avg", fc_norm=True),
    "vit-registers": partial(vit, reg_tokens=3),
    "vit-registers-apart": partial(vit, reg_tokens=3, no_embed_class=True),
    "vit-layer-scale": partial(vit, init_values=0.1),
    "vit-all": partial(vit, class_token=False, reg_tokens=2, no_embed_class=True, global_pool="avg", fc_norm=True,
                       init_values=0.1, qkv_bias=False),
    "deit": deit,
    "deit-evaluation": partial(deit, training=False),
    "hugging-face-vit": hugging_face_vit,
    "hugging-face-deit": hugging_face_deit,
    "hugging-face-pooler": hugging_face_pooler,
    "pytorch-post-norm": pytorch_post_norm,
}

if __name__ == "__main__":
    main()
