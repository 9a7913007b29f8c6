import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { makeBusyboxImage } from "../../host/engine/image/make-image.ts";
import { StateStore } from "../../host/engine/record/state-store.ts";
import { Sandbox } from "../../host/sdk/index.ts";
import { findMemory } from "../../host/vm/snapshot/memory-file.ts";
import { vhostVsockUsable } from "../../host/vm/vsock-device.ts";

const USED_MIB = 200;
const POLL = { interval: 200, timeout: 60_000 };
let directory: string;
let image: string;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "returned-memory-"));
  image = join(directory, "busybox.tar");
  await makeBusyboxImage(image);
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** Uses memory in the guest, and expects that the host gets most of it back once it is free. */
async function expectReturned(sandbox: Sandbox): Promise<void> {
  const { control = "" } = new StateStore().guests().find(({ name }) => name === sandbox.name) ?? {};
  const qemu = Number(readFileSync(join(dirname(control), "qemu.pid"), "utf8"));
  const file = findMemory(qemu) ?? expect.fail(`QEMU ${qemu} has no memory file`);
  const resident = () => (statSync(file).blocks * 512) / 2 ** 20;
  const before = resident();
  const using = sandbox.exec(["dd", "if=/dev/zero", "of=/dev/null", `bs=${USED_MIB}M`]);
  await expect.poll(() => resident() - before, POLL).toBeGreaterThan(0.9 * USED_MIB);
  const used = resident() - before;
  await using.kill();
  expect((await using).exitCode).not.toBe(0);
  await expect.poll(() => resident() - before, POLL).toBeLessThan(used / 2);
}

// Clones map the template's file there, and QEMU would punch holes into it.
const isOff = await vhostVsockUsable();
const kept = isOff ? " (kept with /dev/vhost-vsock)" : "";

test.skipIf(isOff)(`memory that a guest with a share frees returns to the host${kept}`, async () => {
  const share = join(directory, "share");
  mkdirSync(share);
  await using sandbox = await Sandbox.create({ image, volumes: [{ host: share, guest: "/share" }] });
  await expectReturned(sandbox);
  // virtiofsd maps the same memory.
  writeFileSync(join(share, "from-host"), "seen");
  const { stdout } = await sandbox.exec("cat /share/from-host && echo written > /share/from-guest");
  expect(stdout).toBe("seen");
  expect(readFileSync(join(share, "from-guest"), "utf8")).toBe("written\n");
});

test.skipIf(isOff)(`memory that a clone frees returns to the host${kept}`, async () => {
  await using sandbox = await Sandbox.create({ image });
  const [fork] = await sandbox.fork();
  if (!(fork instanceof Sandbox)) throw fork ?? new Error("no clone");
  await using clone = fork;
  await sandbox.stop();
  // What another program allocates meanwhile lies between, and only whole blocks return.
  for await (const { type } of clone.events({ from: 1 })) if (type === "agent-restarted") break;
  await expectReturned(clone);
  expect((await clone.exec("echo answers")).stdout).toBe("answers\n");
});
