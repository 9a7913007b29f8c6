import { existsSync, rmSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { temporaryDirectory } from "../../image/testing/tree.ts";
import { blockRootOf } from "../engine/image/disk/block-root.ts";
import { BlockStore } from "../engine/image/disk/block-store.ts";
import { makeBusyboxImage } from "../engine/image/make-image.ts";
import { qemuArchitecture } from "../vm/programs.ts";
import { runGuestctl } from "./testing/run-guestctl.ts";

let folder: ReturnType<typeof temporaryDirectory>;
let image = "";
let started = "";

beforeAll(async () => {
  folder = temporaryDirectory();
  image = join(folder.path, "busybox.tar");
  started = join(folder.path, "started");
  await makeBusyboxImage(image);
  // Otherwise it is read while a guest boots.
  const store = new BlockStore(join(folder.path, "guestd/roots"));
  using _made = await blockRootOf({ path: image }, { user: "test", store });
  // In place of QEMU: notes that a guest was to be booted.
  const script = `#!/bin/sh\necho "$*" >>"${started}"\nexit 1\n`;
  writeFileSync(join(folder.path, `qemu-system-${qemuArchitecture()}`), script, { mode: 0o755 });
});
afterEach(() => rmSync(started, { force: true }));
afterAll(() => folder[Symbol.dispose]());

const run = (words: readonly string[]) =>
  runGuestctl(folder.path, words, { PATH: [folder.path, process.env["PATH"]].join(delimiter) });

test("without a mistake a guest is booted", async () => {
  const { stderr } = await run(["run", image, "true"]);
  expect(stderr).toMatch(/^guestctl: .+/);
  expect(existsSync(started)).toBe(true);
});

test.each([
  "run nosuch.tar true",
  "run -d nosuch.tar true",
  "run -v /no/such:/data IMAGE true",
  "run --security-opt seccomp=/no/such IMAGE true",
  "run --image-name no/such:1 IMAGE true",
  "run --vm-image /no/such IMAGE true",
  "run --user nosuch IMAGE true",
  "run --template nosuch IMAGE true",
  "run --guest nosuch IMAGE true",
  "boot --vm-image /no/such",
  "boot -d --template nosuch",
  "boot -m 512 --vm-memory 1024",
  "template create kept --image /no/such.tar",
  "template create kept --vm-image /no/such",
  "template create kept --run true",
])("%s is refused in one line, before a guest is booted", async (line) => {
  const { code, stdout, stderr } = await run(line.split(" ").map((word) => (word === "IMAGE" ? image : word)));
  expect([code === 0, stdout]).toEqual([false, ""]);
  expect(stderr).toMatch(/^guestctl: .+\n$/);
  expect(existsSync(started)).toBe(false);
});
