import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { expect, onTestFinished, test } from "vitest";
import { findProgram } from "./programs.ts";
import { waitForUnlock } from "./wait-for-unlock.ts";

const qemu = findProgram("qemu-system-x86_64");
const whyNot = qemu === undefined ? " (skipped: no qemu-system-x86_64)" : "";

function disk(): string {
  const folder = mkdtempSync(join(tmpdir(), "unlock-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "disk");
  writeFileSync(path, "");
  truncateSync(path, 1 << 20);
  return path;
}

/** Starts a QEMU without a machine that has the disk, and waits until it answers. */
async function writerOf(path: string) {
  const node = JSON.stringify({ driver: "file", "node-name": "disk", filename: path });
  const device = ["-device", "virtio-blk-pci,drive=disk"];
  const words = ["-M", "q35", "-S", "-nodefaults", "-display", "none", "-qmp", "stdio", "-blockdev", node, ...device];
  const child = spawn(qemu ?? "", words, { stdio: ["pipe", "pipe", "inherit"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  child.stdin.write('{"execute": "qmp_capabilities"}\n');
  // The answer to it, which follows the greeting once the disk is open.
  for await (const line of createInterface({ input: child.stdout })) if (line.includes('"return"')) break;
  return child;
}

test("a disk that no process has locked is free at once", async () => {
  await waitForUnlock(disk(), undefined, 0);
});

test.skipIf(qemu === undefined)(`waits until the QEMU that writes to a disk has ended${whyNot}`, async () => {
  const path = disk();
  const writer = await writerOf(path);
  await expect(waitForUnlock(path, undefined, 0)).rejects.toThrow(
    `${path}: another QEMU writes to it; kill that one, then repeat this`,
  );
  await expect(waitForUnlock(path, AbortSignal.abort(new Error("interrupted")))).rejects.toThrow("interrupted");
  const waiting = waitForUnlock(path);
  writer.kill("SIGKILL");
  await waiting;
});
