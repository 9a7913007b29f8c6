import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, it } from "vitest";
import { SandboxGuest } from "../../host/sandbox/sandbox-guest.ts";

describe("a guest without vsock and shared folder", () => {
  const directory = mkdtempSync(join(tmpdir(), "channel-test-"));
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  it("is paused, saved and cloned", async () => {
    await using guest = await SandboxGuest.start({ name: "serial", vsock: "serial", disks: [] });
    await guest.pause();
    await guest.resume();
    await guest.client.health.check({});
    const snapshot = join(directory, "snapshot");
    await guest.save(snapshot);
    await guest.client.health.check({});
    await guest[Symbol.asyncDispose]();
    await using clone = await SandboxGuest.restore(snapshot, { name: "clone", hasNoFolder: true });
    await clone.client.health.check({});
    await clone.save(join(directory, "again"), { end: true });
  });
});
