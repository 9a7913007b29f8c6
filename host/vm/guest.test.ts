import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { isRoot } from "../../lib/is-root.ts";
import { CAP_DAC_OVERRIDE, CAP_NET_BIND_SERVICE } from "./capabilities.ts";
import { Guest } from "./guest.ts";
import { buildMiniGuest } from "./testing/mini-guest.ts";
import { vhostVsockUsable } from "./vsock-device.ts";

const BOOT_MS = 120_000;

/** Returns the hybrid vsock socket; without the addon, these tests can't dial a context id. */
function socketOf(address: string): string {
  return address.replace(/^hvsock:\/\//, "").replace(/:\d+$/, "");
}

/** Sends a word to vsock port 1024 and returns the answer, until the guest closes or `size` bytes have arrived. */
function say(guest: Guest, word: string, size: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(socketOf(guest.address(1024)), () => socket.write("CONNECT 1024\n"));
    let text = "";
    socket.setEncoding("utf8");
    socket.on("data", (piece: string) => {
      if (text === "") socket.write(word);
      text += piece;
      if (text.replace(/^OK.*\n/, "").length >= size) socket.end();
    });
    socket.once("error", reject);
    socket.once("close", () => resolve(text.replace(/^OK.*\n/, "")));
  });
}

function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

async function waitUntilGone(pids: readonly number[]): Promise<readonly number[]> {
  for (let tries = 0; tries < 100 && pids.some(isRunning); tries++) await delay(20);
  return pids.filter(isRunning);
}

describe("Guest", { timeout: BOOT_MS }, () => {
  let directory = "";
  let mini: { kernel: string; initrd: string };
  let hybrid = false;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "guest-test-"));
    mini = await buildMiniGuest(directory);
    hybrid = !(await vhostVsockUsable());
  }, BOOT_MS);

  afterAll(async () => {
    await rm(directory, { recursive: true, force: true });
  });

  test("boots with an image, a share and vsock, answers, powers off, and leaves no processes", async () => {
    const image = join(directory, "guest.img");
    await writeFile(image, "");
    await truncate(image, 16 * 2 ** 20);
    await writeFile(join(directory, "from-host"), "hello from the host");
    const lines: string[] = [];
    await using guest = await Guest.start({
      ...mini,
      image,
      shares: [{ tag: "share", directory }],
      onConsole: (line) => lines.push(line),
    });
    const { pids } = guest;
    expect(lines).toContain("mini: pmem0 sectors: 32768");
    expect(guest.console).toContain("mini: share: hello from the host");
    expect(await readFile(join(directory, "from-guest"), "utf8")).toBe("hello from the guest");
    expect(guest.timeline.qemu).toBeLessThan(guest.timeline.firstLine);
    expect(guest.timeline.firstLine).toBeLessThanOrEqual(guest.timeline.ready);
    if (hybrid) {
      expect(await say(guest, "ping", 4)).toBe("ping");
      await guest.powerOff(() => say(guest, "off", 1));
      expect(existsSync(socketOf(guest.address(1024)))).toBe(false);
    } else {
      await guest.close();
    }
    await guest.close();
    await guest.destroy();
    expect(await waitUntilGone(pids)).toEqual([]);
  });

  test("a QEMU that a guest took over starts no program, and no program of a guest gains privileges", async () => {
    await using guest = await Guest.start({ ...mini, image: false, shares: [{ tag: "share", directory }] });
    const statuses = guest.pids.map((pid) => readFileSync(`/proc/${pid}/status`, "utf8"));
    expect(statuses.length).toBeGreaterThan(1);
    for (const status of statuses) expect(status).toMatch(/^NoNewPrivs:\t1$/m);
    expect(statuses[0]).toMatch(/^Seccomp:\t2$/m);
    const [qemu, ...others] = statuses.map((status) => Number(`0x${/^CapPrm:\t(.*)$/m.exec(status)?.[1]}`));
    const [own, usual] = isRoot() ? [1 << CAP_DAC_OVERRIDE, 1 << CAP_NET_BIND_SERVICE] : [0, 0];
    expect(qemu).toBe(own | usual);
    if (hybrid) expect(others).toContain(own);
    const died = new Promise((resolve) => guest.signal.addEventListener("abort", resolve, { once: true }));
    const made = join(directory, "made-by-qemu");
    await using qmp = await guest.qmp();
    const helper = { type: "bridge", id: "helped", br: "none", helper: `touch ${made} #` };
    await qmp.execute("netdev_add", helper).catch(() => undefined);
    expect(existsSync(made)).toBe(false);
    await died;
    expect(String(guest.signal.reason)).toContain("QEMU ended with SIGSYS");
  });

  test("reports a kernel panic with the console's last lines", async () => {
    const start = Guest.start({ ...mini, image: false, kernelArgs: ["mini.die"] });
    await expect(start).rejects.toThrow(/QEMU ended with exit status 0; its console's last lines:[\s\S]*Kernel panic/);
  });

  test("is not ready by the line of an earlier guest in its console's file", async () => {
    const consoleFile = join(directory, "console.log");
    await writeFile(consoleFile, "guestd: listening\n");
    const start = Guest.start({ ...mini, image: false, consoleFile, kernelArgs: ["mini.die"] });
    await expect(start).rejects.toThrow(/its console's last lines:[\s\S]*Kernel panic/);
    expect(await readFile(consoleFile, "utf8")).toMatch(/^guestd: listening\n[\s\S]*Kernel panic/);
  });

  test("fails if the guest is not ready within the time limit", async () => {
    const start = Guest.start({ ...mini, image: false, timeoutMs: 300 });
    await expect(start).rejects.toThrow("guest: no ready line within 300 ms; its console is empty");
  });

  test("stops a start when aborted", async () => {
    const start = Guest.start({ ...mini, image: false, signal: AbortSignal.timeout(200) });
    await expect(start).rejects.toThrow(/aborted due to timeout/);
  });

  test("names a missing kernel, without the remedy for the default image", async () => {
    const start = Guest.start({ ...mini, kernel: "/nonexistent/vmlinuz", image: false });
    await expect(start).rejects.toThrow(/^kernel \/nonexistent\/vmlinuz: ENOENT$/);
  });

  test.each([
    ["QEMU", 0],
    ["virtiofsd (share)", -1],
  ])("reports the death of %s through the guest's signal", async (name, index) => {
    await using guest = await Guest.start({ ...mini, image: false, shares: [{ tag: "share", directory }] });
    const { pids } = guest;
    const died = new Promise((resolve) => guest.signal.addEventListener("abort", resolve, { once: true }));
    process.kill(pids.at(index) ?? 0, "SIGKILL");
    await died;
    const message = String(guest.signal.reason);
    expect(message).toContain(`guest: ${name} ended with SIGKILL`);
    expect(message).toContain("guestd: listening");
    await guest.close();
    expect(await waitUntilGone(pids)).toEqual([]);
  });

  test.each(["SIGINT", "SIGKILL"] as const)("a process that dies by %s takes its guest with it", async (signal) => {
    const script = fileURLToPath(new URL("testing/hold-guest.ts", import.meta.url));
    const holder = spawn(process.execPath, [script, mini.kernel, mini.initrd, directory], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const ended = new Promise((resolve) => holder.once("exit", (_status, name) => resolve(name)));
    const [line] = await Array.fromAsync(firstOf(createInterface(holder.stdout)));
    const { pids, address } = JSON.parse(line ?? "{}") as { pids: number[]; address: string };
    expect(pids.filter(isRunning)).toEqual(pids);
    holder.kill(signal);
    expect(await ended).toBe(signal);
    expect(await waitUntilGone(pids)).toEqual([]);
    const left = socketOf(address).replace(/\/[^/]*$/, "");
    if (hybrid && signal === "SIGINT") expect(existsSync(left)).toBe(false);
    if (hybrid) await rm(left, { recursive: true, force: true });
  });
});

async function* firstOf(lines: AsyncIterable<string>): AsyncGenerator<string> {
  for await (const line of lines) {
    yield line;
    return;
  }
}
