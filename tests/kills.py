"""kill -9 at random moments of training: what is lost, and whether anything is damaged.

    python tests/kills.py 50                # as many kills; the test suite does 10

A process trains; it is killed; another goes on, and is killed. After each kill the files are read with their checksums,
and the state must not be older than the last epoch that the process said to have ended: at most the epoch at hand is
lost. At the end the run must be, bit for bit, the one that nobody killed.
"""
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from runs import TINY, outcome, trainer

from minivit.train import RunFolder, TrainConfig
from minivit.weights import load, load_arrays

CHILD = """
import sys
sys.path.insert(0, sys.argv[1])
from kills import settings
from runs import TINY, trainer
run = trainer(sys.argv[2], settings(sys.argv[3], int(sys.argv[4])), TINY, resume=sys.argv[5] == "resume")
run.on_epoch = lambda row: print(row["epoch"], flush=True)
print("begun", flush=True)
run.run()
print("finished", flush=True)
"""


def settings(data, epochs):
    """A run that writes much and computes little; with averages, so that it has all files there are."""
    return TrainConfig(data=data, model="vit_nano_patch4_32", epochs=epochs, batch_size=20, ema_decay=0.9,
                       best_of="ema")


def kill_and_go_on(data, folder, kills, seed=0):
    """Train in `folder`, killed `kills` times or fewer, where it ends before. Returns how often it was killed.

    Raises AssertionError where a file is damaged or more than the epoch at hand is lost.
    """
    epochs, rng, done, said = 12 * kills, random.Random(seed), 0, 0
    while True:
        how = "resume" if (Path(folder) / "state.safetensors").exists() else "begin"
        child = subprocess.Popen([sys.executable, "-c", CHILD, str(Path(__file__).parent), str(folder), str(data),
                                  str(epochs), how], stdout=subprocess.PIPE, text=True)
        assert child.stdout.readline() == "begun\n"
        heard = []
        if done < kills:
            heard = [child.stdout.readline().strip() for _ in range(rng.randrange(3))]
            time.sleep(rng.uniform(0, 0.04))                            # an epoch or two
            child.send_signal(signal.SIGKILL)
        lines = heard + child.communicate(timeout=600)[0].split()
        finished = lines[-1:] == ["finished"]
        said = max([said, *(int(word) for word in lines if word.isdigit())])
        check(RunFolder(folder), said)
        if finished:
            assert child.returncode == 0
            return done
        assert done < kills or child.returncode == 0
        done += 1


def check(folder, said):
    """Every file that is there is whole, and the state is not older than epoch `said`."""
    for file in (folder.last, folder.ema, folder.best):
        if file.exists():
            load(file)
    if folder.state.exists():
        _, about = load_arrays(folder.state)
        assert about["progress"]["epoch"] >= said, f"the state is of epoch {about['progress']['epoch']}, after {said}"


def main(kills):
    with tempfile.TemporaryDirectory() as place:
        data = "shapes:train=40,test=20"
        done = kill_and_go_on(data, Path(place) / "killed", kills)
        trainer(Path(place) / "whole", settings(data, 12 * kills), TINY).run()
        same = outcome(Path(place) / "killed") == outcome(Path(place) / "whole")
    print(f"{done} kills: no file damaged, at most the epoch at hand lost each time; the run ended "
          f"{'bit for bit as one that nobody killed' if same else 'differently from one that nobody killed'}")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
