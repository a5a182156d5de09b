"""What a run shows while it goes on: a bar in a terminal, a line per epoch elsewhere, or nothing."""
import signal
import sys
import threading


class Progress:
    """Prints to stderr. quiet: nothing at all."""

    def __init__(self, quiet=False):
        self.quiet, self.bar = quiet, None
        self.terminal = sys.stderr.isatty()

    def start_epoch(self, epoch, epochs, batches, first_batch):
        """Begin a bar over the batches of an epoch (counted from 0)."""
        if self.terminal and not self.quiet:
            from tqdm import tqdm
            self.bar = tqdm(total=batches, initial=first_batch, desc=f"epoch {epoch + 1}/{epochs}", unit="batch",
                            leave=False, file=sys.stderr)

    def step(self, loss, accuracy, images_per_second):
        """One batch is done; the figures are means over the epoch so far."""
        if self.bar is not None:
            self.bar.set_postfix_str(f"loss {loss:.3f}, accuracy {accuracy:.1%}, {images_per_second:.0f} images/s",
                                     refresh=False)
            self.bar.update()

    def end_epoch(self):
        """Remove the bar."""
        if self.bar is not None:
            self.bar.close()
            self.bar = None

    def say(self, text):
        """A line that stays."""
        if not self.quiet:
            print(text, file=sys.stderr, flush=True)


class StopRequest:
    """A block in which Ctrl-C only asks: `requested` turns true, and the step at hand is finished.

    A second Ctrl-C interrupts at once. Outside the main thread signals are not touched.
    """

    def __init__(self):
        self.requested = False

    def _ask(self, number, frame):
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True

    def __enter__(self):
        self.main = threading.current_thread() is threading.main_thread()
        if self.main:
            self.before = signal.signal(signal.SIGINT, self._ask)
        return self

    def __exit__(self, *error):
        if self.main:
            signal.signal(signal.SIGINT, self.before)
