import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Guest } from "../../../host/vm/guest.ts";
import { repositoryRoot as root } from "../../../host/vm/paths.ts";
import { bundleAgent } from "../../../rootfs-builder/bundle/bundle.ts";
import { imageWith } from "../../vm/testing/image-with.ts";

/** The line that rootfs-builder/image/testing/probe-agent.ts prints. */
interface Probe {
  readonly root: string;
  /** Page faults of Node and the probe so far. */
  readonly faults: number;
  readonly bytes: number;
  /** The kernel's `Cached`, in KiB, before and after the program of `bytes` was read. */
  readonly before: number;
  readonly after: number;
  /** Whether V8 compiles to machine code. */
  readonly compiles: boolean;
}

describe("the image as a guest's NVDIMM", () => {
  let directory = "";
  let probe: Probe;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "guestd-dax-"));
    const image = await probeImage(directory);
    await using guest = await Guest.start({ image, readyLine: /^probe .*\}/ });
    probe = JSON.parse(/^probe (.*\})/m.exec(guest.console)?.[1] ?? "null");
  });
  afterAll(() => rm(directory, { recursive: true, force: true }));

  test("is mounted with DAX", () => {
    expect(probe.root).toMatch(/^\/dev\/pmem0p1 \/ erofs ro,\S*\bdax=always\b/);
  });

  test("maps Node with huge pages: its start takes half of the page faults of small ones", () => {
    expect(probe.faults).toBeGreaterThan(1000);
    expect(probe.faults).toBeLessThan(4500);
  });

  test("does not fill the page cache when 100 MB of it are read", () => {
    expect(probe.bytes).toBeGreaterThan(90e6);
    expect(probe.after - probe.before).toBeLessThan(1024);
  });

  test("has V8 only interpret at first", () => {
    expect(probe.compiles).toBe(false);
  });
});

/** Builds an image with a probe as its agent. */
async function probeImage(work: string): Promise<string> {
  await bundleAgent({ entry: join(root, "rootfs-builder/image/testing/probe-agent.ts"), root, outDir: work });
  return imageWith([join(root, "rootfs-builder/bundle/launcher.cjs"), join(work, "agent.cjs")], work);
}
