"""The commands of gpu.py: modules with `add_arguments(parser)`, `run(options)` and `table(results)`.

run yields {"rows": ...} again and again, as far as it has come: each time it is written, so that nothing is lost where
the machine is taken away.
"""
import checkout

ROOT = checkout.ROOT        # on the path from here on, for all that is imported after this
