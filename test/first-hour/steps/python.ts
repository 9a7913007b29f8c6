import type { HourStep } from "../step.ts";

/** Prints the sum of squares below 1000. */
const SUM = "print(sum(n * n for n in range(1000)))";

/** Writes a wheel of 500 files of random bytes, installs it, and compares what is installed. */
const PIP = `import os, subprocess, zipfile
wheel = "/root/big-1-py3-none-any.whl"
block = os.urandom(1000000)
def content(n): return block[n:] + block[:n]
with zipfile.ZipFile(wheel, "w") as archive:
    archive.writestr("big/__init__.py", "")
    for n in range(500): archive.writestr(f"big/{n}.bin", content(n))
    archive.writestr("big-1.dist-info/METADATA", "Metadata-Version: 2.1\\nName: big\\nVersion: 1\\n")
    archive.writestr("big-1.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
    archive.writestr("big-1.dist-info/RECORD", "")
pip = ["pip", "-q", "install", "--break-system-packages", "--root-user-action=ignore", "--no-index", "--no-compile", wheel]
subprocess.run(pip, check=True)
import big
folder = os.path.dirname(big.__file__)
same = [open(os.path.join(folder, f"{n}.bin"), "rb").read() == content(n) for n in range(500)]
print(folder, sum(same), "of", len(same), "files")`;

export const PYTHON: readonly HourStep[] = [
  {
    name: "`guestctl run python.tar`, the first time",
    shows: "an image of two layers becomes a disk",
    script: `guestctl run images/python.tar python3 -c '${SUM}'`,
    prints: "332833500\n",
  },
  {
    name: "the same again",
    shows: "the disk is used again",
    script: `guestctl run images/python.tar python3 -c '${SUM}'`,
    prints: "332833500\n",
  },
  {
    name: "`… python3 -c` from a pipe",
    shows: "stdin and the exit code",
    script: `status=0; echo 'import sys; print(sys.stdin); sys.exit(7)' | guestctl run -i images/python.tar python3 - || status=$?
echo $status`,
    prints: /^<_io.TextIOWrapper .*\n7\n$/,
  },
  {
    name: "`pip install` of a package of 500 MB",
    shows: "a root takes 1 GB, and the installed files are the wheel's",
    script: `guestctl run -i images/python.tar python3 - <<'END'
${PIP}
END`,
    prints: "/usr/local/lib/python3.11/dist-packages/big 500 of 500 files\n",
    limit: 600,
  },
];
