import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { realFiles } from "../files.ts";
import { openSys } from "../sys/sys.ts";
import { containedDouble } from "../testing/contained-double.ts";
import { guestRoot, type Served } from "./contained-files.ts";
import { removeContained } from "./remove-contained.ts";

const ROOT = guestRoot("c1");

function tree() {
  const directory = mkdtempSync(join(tmpdir(), "guestd-removed-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const path = join(directory, "tree");
  mkdirSync(join(path, "a/b"), { recursive: true });
  const kernel = (script: Partial<Served> = {}) => ({
    files: realFiles,
    contained: containedDouble(openSys(), script),
  });
  return { path, kernel };
}

test("removes a directory with everything in it, and makes no call for one that does not exist", async () => {
  const { path, kernel } = tree();
  await removeContained(kernel(), ROOT, path);
  expect(existsSync(path)).toBe(false);
  const none = { use: () => Promise.reject(new Error("a file server was used")) };
  await removeContained({ ...kernel(), contained: { ...kernel().contained, ...none } }, ROOT, path);
});

test("ends in time if a container keeps creating files in it", async () => {
  const { path, kernel } = tree();
  const refilled = kernel({ empty: async (_dir, most) => most });
  await expect(removeContained(refilled, ROOT, path, 5)).rejects.toThrow(
    `remove ${path}: other containers still write`,
  );
});

test("names the directory if the call fails", async () => {
  const { path, kernel } = tree();
  await expect(removeContained(kernel({ empty: async () => 0 }), ROOT, path)).rejects.toThrow(
    `remove ${path}: ENOTEMPTY`,
  );
});
