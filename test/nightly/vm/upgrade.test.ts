import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { makeBusyboxImage } from "../../../host/engine/image/make-image.ts";
import { repositoryRoot } from "../../../host/vm/paths.ts";
import { startGuestctl } from "../../scenarios/guestctl-process.ts";

it("guestctl upgrade runs the built agent and again the image's, while a process runs", async () => {
  const directory = mkdtempSync(join(tmpdir(), "upgrade-"));
  const run = async (...args: string[]) => {
    const { ended, output } = startGuestctl(args, { env: { XDG_RUNTIME_DIR: directory } });
    return { code: await ended, stdout: output.stdout.toString(), stderr: output.stderr };
  };
  try {
    await run("boot", "--detach", "--name", "kept");
    const image = join(directory, "busybox.tar");
    await makeBusyboxImage(image);
    expect((await run("run", "-d", "-g", "kept", "--name", "web", image, "sleep", "1000")).stdout).toBe("web\n");
    const { stdout } = await run("upgrade", join(repositoryRoot, "build/agent/agent.cpio"));
    const [, bundle = ""] = /^0\.1\.0 \(the image's own\) → 0\.1\.0 \(([0-9a-f]{12})\)\n$/.exec(stdout) ?? [];
    expect((await run("logs")).stdout).toMatch(new RegExp(`listening .*${bundle}`));
    // The archive's code caches match this Node and bundle.
    expect((await run("logs", "--console")).stdout).not.toContain("launcher: ");
    expect((await run("ps", "-q")).stdout).toBe("web\n");
    const back = await run("upgrade", "--image");
    expect(back).toEqual({ stdout: `0.1.0 (${bundle}) → 0.1.0 (the image's own)\n`, stderr: "", code: 0 });
    expect((await run("ps", "-q")).stdout).toBe("web\n");
  } finally {
    await run("stop", "kept");
    rmSync(directory, { recursive: true, force: true });
  }
});
