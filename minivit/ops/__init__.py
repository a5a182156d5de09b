"""The hand-written operations, each a file: its definition, its kernel, its gradient."""
from minivit.ops.attention import attention
from minivit.ops.combine import concat, maximum, minimum, stack, where
from minivit.ops.conv import conv2d
from minivit.ops.cross_entropy import cross_entropy
from minivit.ops.dropout import drop_path, dropout
from minivit.ops.gelu import bias_gelu, gelu
from minivit.ops.groupnorm import groupnorm, standardise
from minivit.ops.layernorm import layernorm
from minivit.ops.linear import linear
from minivit.ops.patches import extract_patches, merge_patches
from minivit.ops.pool import avg_pool2d, max_pool2d
from minivit.ops.relu import relu
from minivit.ops.softmax import log_softmax, softmax

__all__ = ["attention", "avg_pool2d", "bias_gelu", "concat", "conv2d", "cross_entropy", "drop_path", "dropout",
           "extract_patches", "gelu", "groupnorm", "layernorm", "linear", "log_softmax", "max_pool2d", "maximum",
           "merge_patches", "minimum", "relu", "softmax", "stack", "standardise", "where"]
