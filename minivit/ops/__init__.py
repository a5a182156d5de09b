"""The hand-written operations, each a file: its definition, its kernel, its gradient."""
from minivit.ops.attention import attention
from minivit.ops.combine import concat, maximum, minimum, stack, where
from minivit.ops.cross_entropy import cross_entropy
from minivit.ops.dropout import drop_path, dropout
from minivit.ops.gelu import gelu
from minivit.ops.layernorm import layernorm
from minivit.ops.linear import linear
from minivit.ops.patches import extract_patches, merge_patches
from minivit.ops.softmax import log_softmax, softmax

__all__ = ["attention", "concat", "cross_entropy", "drop_path", "dropout", "extract_patches", "gelu", "layernorm",
           "linear", "log_softmax", "maximum", "merge_patches", "minimum", "softmax", "stack", "where"]
