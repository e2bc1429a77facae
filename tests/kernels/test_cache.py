"""The disk cache must not outlive any file a kernel's code comes from."""

import shutil
import subprocess
import sys
from pathlib import Path

import cryptoequity

SCRIPT = """
import sys
sys.path.insert(0, sys.argv[1])
from cryptoequity.kernels.outer import twice
print(twice(2.0))
"""


def test_a_change_in_another_file_reaches_the_kernels_that_call_it(tmp_path):
    folder = tmp_path / "cryptoequity"
    shutil.copytree(Path(cryptoequity.__file__).parent, folder, ignore=shutil.ignore_patterns("__pycache__", "samples"))
    kernels = folder / "kernels"
    head = "from . import kernel\n\n\n"
    (kernels / "inner.py").write_text(head + "@kernel\ndef step(x):\n    return x + 1.0\n")
    (kernels / "outer.py").write_text(
        "from . import kernel\nfrom .inner import step\n\n\n@kernel\ndef twice(x):\n    return step(step(x))\n"
    )

    def run() -> float:
        command = [sys.executable, "-c", SCRIPT, str(tmp_path)]
        return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    assert run() == 4.0
    assert run() == 4.0  # from the cache
    (kernels / "inner.py").write_text(head + "@kernel\ndef step(x):\n    return x * 10.0  # another length\n")
    assert run() == 200.0
