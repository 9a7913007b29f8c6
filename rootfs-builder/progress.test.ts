import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type Progress, progressBar, reportProgress, watchProgress } from "./progress.ts";
import { showTasks } from "./show-tasks.ts";
import { stage } from "./tree/stage.ts";
import type { Tree } from "./tree/tree.ts";

test.each<[number, number, string]>([
  [0, 18, "░░░░░░░░░░░░░░░░░░░░░░░░ 0 %, 0 of 18 MiB"],
  [12, 18, "████████████████░░░░░░░░ 66 %, 12 of 18 MiB"],
  [18, 18, "████████████████████████ 100 %, 18 of 18 MiB"],
  [0, 0, "████████████████████████ 100 %, 0 of 0 MiB"],
])("shows a bar for %d of %d", (done, total, bar) => {
  expect(progressBar({ unit: "MiB", done, total })).toBe(bar);
});

test("reports the bytes written while a tree is staged to the watcher of that work", async () => {
  const tree: Tree = new Map(
    ["a", "b", "c"].map((name) => [name, { type: "file", mode: 0o644, content: Buffer.alloc(1 << 20, name) }]),
  );
  const directory = await mkdtemp(join(tmpdir(), "guestd-progress-"));
  try {
    const seen: Progress[] = [];
    await watchProgress(
      (progress) => seen.push(progress),
      () => stage(tree, directory),
    );
    expect(seen.map(({ done, total }) => [done, total])).toEqual([
      [1, 3],
      [2, 3],
      [3, 3],
    ]);
  } finally {
    await rm(directory, { recursive: true });
  }
});

test("shows a step's bar and then its time on a terminal, and one line for each step elsewhere", async () => {
  const run = async () => {
    for (const done of [1, 2, 3]) {
      reportProgress({ unit: "packages", done, total: 4 });
      await new Promise((resolve) => setTimeout(resolve, 150));
    }
    return true;
  };
  const live: string[] = [];
  const plain: string[] = [];
  const write = process.stdout.write;
  process.stdout.write = ((text: string) => live.push(text) > 0) as typeof process.stdout.write;
  try {
    await showTasks([{ name: "packages", run }], { ...fakeOutput(() => true), isTTY: true } as NodeJS.WriteStream);
  } finally {
    process.stdout.write = write;
  }
  await showTasks(
    [{ name: "packages", run }],
    fakeOutput((text) => plain.push(text) > 0),
  );
  expect(live.join("")).toContain("██████░░░░░░░░░░░░░░░░░░ 25 %, 1 of 4 packages");
  expect(live.join("")).toContain("75 %, 3 of 4 packages");
  expect(live.join("")).toMatch(/packages: built in \d\.\d s/);
  expect(plain.join("")).toMatch(/^packages: built in \d\.\d s\n$/);
});

const fakeOutput = (write: (text: string) => boolean) => ({ write }) as unknown as NodeJS.WriteStream;
