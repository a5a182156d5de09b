"""The README is true: its example prints what it says, its broken gradient is found, its links lead somewhere."""
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from minivit.cuda import why_no_checks

TOP = Path(__file__).parent.parent
README = (TOP / "README.md").read_text()
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", README, re.DOTALL)


def block_with(language, text):
    """The only block of that language that holds `text`."""
    found, = [body for kind, body in BLOCKS if kind == language and text in body]
    return found


def test_the_fifteen_lines_print_their_losses(capsys):
    code = block_with("python", "create(")
    assert len([line for line in code.splitlines() if line]) <= 15
    exec(compile(code, "README.md", "exec"), {})
    printed = re.findall(r"loss (\S+)", capsys.readouterr().out)
    promised = re.findall(r"loss (\S+)", block_with("text", "step 0: loss"))
    assert [float(x) for x in printed] == pytest.approx([float(x) for x in promised], abs=2e-3)


def test_a_broken_layer_norm_is_found_as_the_readme_says(tmp_path):
    shutil.copytree(TOP / "minivit", tmp_path / "minivit", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(TOP / "tests", tmp_path / "tests", ignore=shutil.ignore_patterns("__pycache__", "golden", "cuda"))
    shutil.copy(TOP / "setup.cfg", tmp_path / "setup.cfg")
    line = block_with("python", "product +=")
    file = tmp_path / "minivit/ops/layernorm.py"
    whole = file.read_text()
    assert whole.count(line) == 1
    file.write_text(whole.replace(line, ""))
    command = block_with("sh", "--show-gradients").split()[1:]
    done = subprocess.run([sys.executable, *command, "-p", "no:cacheprovider"], cwd=tmp_path, capture_output=True,
                          text=True, env={"PYTHONPATH": str(tmp_path), "PATH": "/usr/bin:/bin"})
    assert done.returncode == 1, done.stdout + done.stderr
    assert block_with("text", "the gradient of x is wrong").strip() in done.stdout
    assert "the gradient of gamma is wrong" not in done.stdout


def test_looking_inside_draws_what_the_readme_says(run_folder, tmp_path, monkeypatch, capsys):
    code = block_with("python", "draw_rollout(").replace("runs/001", str(run_folder))
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "README.md", "exec"), {})
    assert capsys.readouterr().out.startswith("(8, 2, 17, 17) (8, 17, 8)\n8 images and, below each,")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["attention.png", "graph.svg", "rollout.png"]


@pytest.mark.skipif(why_no_checks() is not None, reason=str(why_no_checks()))
def test_a_planted_race_is_found_as_the_readme_says(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    kernel, code = block_with("cuda", "row_sum"), block_with("python", "row_sum")
    Path("row_sum.cu").write_text(kernel)
    exec(compile(code, "README.md", "exec"), {})
    assert capsys.readouterr().out.split() == block_with("text", "racecheck").split()
    barrier, loop = "    __syncthreads();\n", "half /= 2)\n        if (i < half) partial[i] += partial[i + half];\n"
    mended = kernel.replace(barrier, "").replace(loop, loop.replace(")\n", f") {{\n    {barrier}", 1) + "    }\n")
    Path("row_sum.cu").write_text(mended)
    exec(compile(code, "README.md", "exec"), {})
    assert capsys.readouterr().out == "[64. 64. 64.]\nnothing found in 1 launches\n"


def test_links_lead_to_files():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        if not target.startswith("http"):
            assert (TOP / target).exists(), target


def test_every_rung_of_the_ladder_is_described():
    for entry in sorted((TOP / "minivit").iterdir()):
        if entry.suffix == ".py" and entry.name != "__init__.py":
            assert f"`{entry.name}`" in README, entry.name
        elif entry.is_dir() and (entry / "__init__.py").exists():
            assert f"`{entry.name}/`" in README, entry.name
