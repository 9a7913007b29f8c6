import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect } from "vitest";
import { runGuestctl } from "../../host/cli/testing/run-guestctl.ts";
import { makeBusyboxImage } from "../../host/engine/image/make-image.ts";
import { guestctlContainers } from "../scenarios/guestctl-containers.ts";

describe("guestctl with a guest's containers", () => {
  let directory: string;
  let image: string;
  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), "guestctl-"));
    image = join(directory, "busybox.tar");
    await makeBusyboxImage(image);
    expect((await runGuestctl(directory, ["boot", "--detach", "--name", "kept"])).code).toBe(0);
  });
  afterAll(async () => {
    await runGuestctl(directory, ["stop", "kept"]);
    rmSync(directory, { recursive: true, force: true });
  });
  guestctlContainers(() => ({
    name: "kept",
    env: { XDG_RUNTIME_DIR: directory, XDG_CACHE_HOME: directory },
    where: ["--guest", "kept", image],
    image,
  }));
});
