"""The commands of gpu.py: modules with `add_arguments(parser)`, `run(options)` -> {"rows": ...}, `table(results)`."""
import checkout

ROOT = checkout.ROOT        # on the path from here on, for all that is imported after this
