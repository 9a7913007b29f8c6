import { execFile } from "node:child_process";
import { chmodSync, chownSync, copyFileSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, it, onTestFinished } from "vitest";
import { makeBusyboxImage } from "../../host/engine/image/make-image.ts";
import { findVirtiofsd } from "../../host/vm/programs.ts";
import { isRoot } from "../../lib/is-root.ts";
import { makeOpenDirectory } from "../clean-up/work-directory.ts";

const launcher = join(import.meta.dirname, "../../host/cli/launch.cjs");
const NOBODY = 65_534;
const found = await findVirtiofsd();
const reason = !isRoot() ? "needs root" : found.kind !== "rust" ? "needs the virtiofsd in Rust" : undefined;

it.skipIf(reason !== undefined)(
  `an ordinary user's volume keeps its files, and nothing is left of it${reason ? ` (${reason})` : ""}`,
  async () => {
    const home = makeOpenDirectory("volumes");
    onTestFinished(() => rmSync(home, { recursive: true }));
    const bin = join(home, "bin");
    mkdirSync(bin);
    copyFileSync(found.path, join(bin, "virtiofsd"));
    const image = join(home, "busybox.tar");
    await makeBusyboxImage(image);
    for (const path of [home, image]) chownSync(path, NOBODY, NOBODY);
    chmodSync(bin, 0o755);
    const env = {
      ...{ HOME: home, TMPDIR: home, XDG_RUNTIME_DIR: home, XDG_CACHE_HOME: home, NO_COLOR: "1" },
      PATH: `${bin}:${process.env["PATH"]}`,
    };
    const user = [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups", "--", process.execPath, launcher];
    const guestctl = async (...args: string[]) =>
      (await promisify(execFile)("setpriv", [...user, ...args], { env, cwd: home })).stdout;

    const write = "echo kept >/data/file; chown 5:6 /data/file; mkdir -m 0 /data/closed; umask 0; mkfifo /data/fifo";
    await guestctl("run", "-v", "data:/data", image, "sh", "-c", write);
    const read = "stat -c '%n %u:%g' /data/*; cat /data/file";
    expect(await guestctl("run", "-v", "data:/data:ro", image, "sh", "-c", read)).toBe(
      "/data/closed 0:0\n/data/fifo 0:0\n/data/file 0:0\nkept\n",
    );
    expect(await guestctl("volume", "rm", "data")).toBe("data\n");
    expect(await promisify(execFile)("find", [join(home, ".local/share"), "-type", "f"])).toMatchObject({ stdout: "" });
  },
);
