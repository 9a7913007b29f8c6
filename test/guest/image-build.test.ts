import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { repositoryRoot as root } from "../../host/machine/paths.ts";
import { buildTasks } from "../../rootfs-builder/build-image.ts";

const OUTPUTS = [
  ...["agent.cjs", "agent.cache", "grpc.cjs", "grpc.cache"].map((name) => `agent/${name}`),
  ...["vmlinuz", "initrd.cpio.gz", "guest.img"].map((name) => `image/${name}`),
];

describe("building the image", () => {
  let directory = "";
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "guestd-image-"));
    await build("one");
  });
  afterAll(() => rm(directory, { recursive: true, force: true }));

  /** Builds into a folder of this name; says which parts were built. */
  async function build(name: string): Promise<readonly string[]> {
    const built: string[] = [];
    for (const task of await buildTasks({ root, to: join(directory, name) }))
      if (await task.run()) built.push(task.name);
    return built;
  }

  async function digests(name: string): Promise<Record<string, string>> {
    const pairs = OUTPUTS.map(async (output) => {
      const content = await readFile(join(directory, name, output));
      return [output, createHash("sha256").update(content).digest("hex")];
    });
    return Object.fromEntries(await Promise.all(pairs));
  }

  test("gives the same bytes in another folder, the warmed code caches too", async () => {
    await build("another/folder");
    expect(await digests("another/folder")).toEqual(await digests("one"));
  });

  test("does nothing, and within half a second, when nothing has changed", async () => {
    const start = performance.now();
    expect(await build("one")).toEqual([]);
    expect(performance.now() - start).toBeLessThan(500);
  });

  test("makes an image that fits into 128 MiB", async () => {
    expect((await stat(join(directory, "one/image/guest.img"))).size).toBe(128 * 2 ** 20);
  });
});
