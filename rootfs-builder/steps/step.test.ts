import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Stamps, type Step } from "./step.ts";

describe("Stamps", () => {
  let directory = "";
  let built = 0;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "guestd-steps-"));
    built = 0;
  });
  afterEach(() => rm(directory, { recursive: true }));

  const output = () => join(directory, "output");
  const step = (key: string): Step => ({
    name: "a step",
    outputs: [output()],
    key: async () => key,
    async build() {
      built += 1;
      await writeFile(output(), `${key} ${built}`);
    },
  });
  const bring = async (key: string) => (await Stamps.open(join(directory, "stamps.json"))).bring(step(key));

  test("build a step once for each key, also after a restart", async () => {
    expect([await bring("one"), await bring("one")]).toEqual([true, false]);
    expect(built).toBe(1);
  });

  test("build it again for another key", async () => {
    expect([await bring("one"), await bring("two"), await bring("one")]).toEqual([true, true, true]);
  });

  test("build it again when an output is missing or has changed", async () => {
    await bring("one");
    await rm(output());
    expect(await bring("one")).toBe(true);
    await writeFile(output(), "changed by hand");
    expect(await bring("one")).toBe(true);
  });

  test("count as empty when they can't be read", async () => {
    await bring("one");
    await writeFile(join(directory, "stamps.json"), "{ half");
    expect(await bring("one")).toBe(true);
  });
});
