"""The exercises, a file each: `EXERCISE` says how a learner's function is tried out, and what is said of it."""
