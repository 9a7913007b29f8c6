import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connect } from "../../host/client/agent-client.ts";
import { SandboxGuest } from "../../host/engine/guest/sandbox-guest.ts";
import { blockRootOf } from "../../host/engine/image/disk/block-root.ts";
import { BlockStore } from "../../host/engine/image/disk/block-store.ts";
import { makeBusyboxImage } from "../../host/engine/image/make-image.ts";
import { makeTemplate } from "../../host/engine/template/make-template.ts";
import { type StoredTemplate, TemplateStore } from "../../host/engine/template/template-store.ts";
import { readImage } from "../../image/read-image.ts";
import { packTar, writeLayout } from "../../image/write-layout.ts";
import { makeWorkDirectory } from "../clean-up/work-directory.ts";
import {
  clockDifference,
  execIn,
  seen,
  startFromShare,
  startInMemory,
  startOnDisk,
} from "./testing/template-machine.ts";

const HOUR = 3600;
/** Most that a clone's clock may differ from the host's, in milliseconds. */
const CLOCK_MS = 50;
const IDENTITY = { mounts: seen("/run/machine-id", "/run/guestd/epoch") };
const SLEEP = { args: ["sleep", "100000"] };
const PAUSE = { args: ["/pause_bundle/rootfs/pause"] };

describe("guests from a template", () => {
  let directory = "";
  let image = "";
  let store: TemplateStore;
  let template: StoredTemplate;

  beforeAll(async () => {
    directory = makeWorkDirectory("templates");
    image = join(directory, "busybox.tar");
    await makeBusyboxImage(image);
    store = new TemplateStore(join(directory, "templates"));
    // The template is from an hour ago, as far as its clock can tell.
    template = await store.create("plain", (path) =>
      makeTemplate(path, {
        name: "plain",
        prepare: async ({ agent }) => {
          await agent.setGuestDateTime({ Sec: Math.floor(Date.now() / 1000) - HOUR });
        },
      }),
    );
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  const clone = (name: string, options = {}) => SandboxGuest.restore(template.path, { name, ...options });

  test("a template has no losses, and its agent was used", () => {
    expect(template.manifest).toMatchObject({ guest: "plain", notes: { losses: [], agent: expect.any(String) } });
    expect(template.manifest?.machine.kernelArgs).toContain("agent.template=on");
  });

  test("two clones at once run containers, with names, ids, random numbers and clocks of their own", async () => {
    const clones = await Promise.all(["one", "two"].map((name) => clone(name)));
    await using _both = {
      [Symbol.asyncDispose]: async () => void (await Promise.all(clones.map((guest) => guest[Symbol.asyncDispose]()))),
    };
    const script =
      "hostname; cat /run/machine-id /run/guestd/epoch; cat /proc/sys/kernel/random/uuid; head -c 16 /dev/urandom | base64";
    const identities = await Promise.all(
      clones.map(async (guest) => {
        await startFromShare(guest, "web", image, { ...SLEEP, ...IDENTITY });
        return (await execIn(guest, "web", ["sh", "-c", script])).trim().split("\n");
      }),
    );
    expect(identities.map(([hostname]) => hostname)).toEqual(["one", "two"]);
    const values = identities.flatMap((identity) => identity.slice(1));
    expect(values).toHaveLength(8);
    expect(new Set(values).size).toBe(8);
    for (const [, , epoch] of identities) expect(Number(epoch)).toBeGreaterThan(template.manifest?.epoch ?? 0);
    for (const guest of clones) {
      await startInMemory(guest, "clock", PAUSE);
      expect(await clockDifference(guest, "clock")).toBeLessThanOrEqual(CLOCK_MS);
    }
  });

  test("the agent can be killed right after the restore", async () => {
    await using guest = await clone("killed");
    const { generation } = await guest.client.guest.running({});
    await guest.client.guest.kill({});
    await startFromShare(guest, "web", image, SLEEP);
    expect(await execIn(guest, "web", ["hostname"])).toBe("killed\n");
    expect((await guest.client.guest.running({})).generation).toBeGreaterThan(generation);
  });

  test("a clone is saved with its container while it continues, and restored again", async () => {
    await using parent = await clone("parent");
    await startInMemory(parent, "kept", PAUSE);
    const file = ["/usr/bin/node", "-e", 'fs.writeFileSync("/root/note", "from the parent")'];
    await execIn(parent, "kept", file);
    const read = ["/usr/bin/node", "-p", 'fs.readFileSync("/root/note", "utf8") + " in " + os.hostname()'];
    const busy = clientLoop(parent.address);
    const snapshot = await store.create("forked", (path) => parent.save(path));
    await busy.end();
    expect(await execIn(parent, "kept", read)).toBe("from the parent in parent\n");
    await using child = await SandboxGuest.restore(snapshot.path, { name: "child" });
    expect(await execIn(child, "kept", read)).toMatch(/^from the parent in /);
    const grandchildren = await store.create("again", (path) => child.save(path, { end: true }));
    expect(grandchildren.manifest?.epoch).toBeGreaterThan(snapshot.manifest?.epoch ?? 0);
    await using grandchild = await SandboxGuest.restore(grandchildren.path, { name: "grandchild" });
    expect(await execIn(grandchild, "kept", read)).toMatch(/^from the parent in /);
    await startFromShare(grandchild, "web", image, SLEEP);
    expect(await execIn(grandchild, "web", ["hostname"])).toBe("grandchild\n");
    await grandchild.client.agent.removeContainer({ container_id: "web" });
    await execIn(parent, "kept", read);
  });

  test("a template holds a running container with its root on a disk, and clones get further disks", async () => {
    const roots = new BlockStore(join(directory, "roots"));
    using root = await blockRootOf({ path: image }, { user: "kept", store: roots });
    const warm = await store.create("block", (path) =>
      makeTemplate(path, { name: "block", prepare: (client, guest) => startOnDisk(client, guest, "kept", root) }),
    );
    expect(warm.manifest?.machine.disks).toMatchObject([{ slot: 8, file: root.root.file }]);
    const restore = (name: string) => SandboxGuest.restore(warm.path, { name, hasNoFolder: true });
    const [one, two] = await Promise.all([restore("one"), restore("two")]);
    await using _one = one;
    await using _two = two;
    await execIn(one, "kept", ["sh", "-c", "mkdir -p /root; echo one >/root/note"]);
    expect(await execIn(two, "kept", ["sh", "-c", "cat /root/note 2>/dev/null; pidof sleep"])).toBe("1\n");
    expect(one.folder).toBeUndefined();
    using more = await blockRootOf({ path: await imageWithNote(image) }, { user: "more", store: roots });
    await startOnDisk(one.client, one.guest, "more", more);
    const forked = await store.create("block-forked", (path) => one.save(path, { end: true }));
    expect(forked.manifest?.disks).toHaveLength(2);
    await using three = await SandboxGuest.restore(forked.path, { name: "three", hasNoFolder: true });
    expect(await execIn(three, "kept", ["cat", "/root/note"])).toBe("one\n");
    expect(await execIn(three, "more", ["cat", "/root/note"])).toBe("from the image");
  });

  test("a guest whose container uses the share is refused, and its container continues", async () => {
    await using guest = await clone("sharing");
    await startFromShare(guest, "web", image, SLEEP);
    await expect(store.create("refused", (path) => guest.save(path))).rejects.toThrow(
      /^save guest sharing: containers use the share at \/run\/kata-containers\/shared\/containers; .*--rootfs share$/,
    );
    expect(await execIn(guest, "web", ["echo", "fine"])).toBe("fine\n");
    await guest.client.agent.removeContainer({ container_id: "web" });
    await store.create("without", (path) => guest.save(path));
    await startFromShare(guest, "again", image, SLEEP);
    expect(await execIn(guest, "again", ["echo", "fine"])).toBe("fine\n");
  });

  test("a cold guest can be saved if only containers mount the share", async () => {
    await using guest = await SandboxGuest.start({ name: "cold", canBeSaved: true });
    await startFromShare(guest, "web", image, SLEEP);
    expect(await execIn(guest, "web", ["hostname"])).toBe("cold\n");
    await guest.client.agent.removeContainer({ container_id: "web" });
    const snapshot = await store.create("cold", (path) => guest.save(path, { end: true }));
    await using warm = await SandboxGuest.restore(snapshot.path, { name: "warm" });
    await startFromShare(warm, "web", image, SLEEP);
    expect(await execIn(warm, "web", ["hostname"])).toBe("warm\n");
  });

  test("clones get network cards with addresses of their own, and so does the clone of a clone", async () => {
    const network = { kind: "user" as const, forwards: [] };
    await using one = await clone("one", { network });
    await using two = await clone("two", { network });
    const card = async (guest: SandboxGuest) => {
      const { Interfaces } = await guest.client.agent.listInterfaces({});
      return Interfaces.find(({ name }) => name === "eth0");
    };
    const cards = [await card(one), await card(two)];
    expect(cards.map((each) => each?.hwAddr)).toEqual([one.guest.mac, two.guest.mac]);
    expect(one.guest.mac).not.toBe(two.guest.mac);
    expect(cards.map((each) => each?.IPAddresses[0]?.address)).toEqual(["10.0.2.15", "10.0.2.15"]);
    const snapshot = await store.create("networked", (path) => one.save(path));
    expect((await card(one))?.hwAddr).toBe(one.guest.mac);
    await using third = await SandboxGuest.restore(snapshot.path, { name: "third", network });
    expect((await card(third))?.hwAddr).toBe(third.guest.mac);
    expect(third.guest.mac).not.toBe(one.guest.mac);
    const again = await store.create("networked-again", (path) => third.save(path, { end: true }));
    await using fifth = await SandboxGuest.restore(again.path, { name: "fifth", network });
    expect((await card(fifth))?.hwAddr).toBe(fifth.guest.mac);
    await using fourth = await SandboxGuest.restore(snapshot.path, { name: "fourth" });
    expect(await card(fourth)).toBeUndefined();
  });

  test("a paused guest continues with the present time", async () => {
    await using guest = await clone("paused");
    await startInMemory(guest, "clock", PAUSE);
    const busy = clientLoop(guest.address);
    await guest.pause();
    await expect(connect(guest.address)).rejects.toThrow(/^dial /);
    await setTimeout(1000);
    await guest.resume();
    await busy.end();
    expect(await clockDifference(guest, "clock")).toBeLessThanOrEqual(CLOCK_MS);
  });

  test.each(["SIGINT", "SIGKILL"] as const)("a creator that ends by %s leaves nothing half-made", async (signal) => {
    const root = join(directory, `ended-by-${signal}`);
    const { child, ended } = startCreator(root);
    await firstLine(child);
    child.kill(signal);
    await ended;
    const left = new TemplateStore(root);
    expect(await left.list()).toEqual([]);
    if (signal === "SIGKILL") await left.create("next", (path) => makeTemplate(path, { name: "next" }));
    await expect.poll(() => readdirSync(root).filter((name) => name.startsWith("creating-"))).toEqual([]);
  });

  test("a killed host process leaves no memory of its clones behind", async () => {
    const before = readdirSync("/dev/shm");
    const child = spawn(process.execPath, ["--input-type=module", "-e", restorer(template.path)], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const pid = await firstLine(child);
    expect(readFileSync(`/proc/${pid}/comm`, "utf8")).toMatch(/^qemu/);
    child.kill("SIGKILL");
    await once(child, "close");
    await expect.poll(() => isRunning(Number(pid))).toBe(false);
    expect(readdirSync("/dev/shm")).toEqual(before);
  });
});

/** Writes an image's layers with a further one to a new file. */
async function imageWithNote(path: string): Promise<string> {
  await using base = await readImage(path);
  const layers = await Promise.all(
    base.layers.map(async (layer) => Buffer.concat(await Array.fromAsync(layer.open()))),
  );
  const note = await packTar([{ name: "root/note", content: "from the image" }]);
  const { config, platform } = base;
  await writeLayout(`${path}-note`, { name: "note", platform, config, layers: [...layers, note] });
  return `${path}-note`;
}

/** Keeps connecting to an agent and calling it, as clients do whose connection was lost. */
function clientLoop(address: string) {
  let isOver = false;
  const loop = (async () => {
    while (!isOver) {
      try {
        await using client = await connect(address, { timeoutMs: 5000 });
        while (!isOver) await client.health.check({}, { timeoutMs: 5000 });
      } catch {
        await setTimeout(1);
      }
    }
  })();
  return {
    async end() {
      isOver = true;
      await loop;
    },
  };
}

const module = (path: string) => JSON.stringify(join(import.meta.dirname, "../../host", path));

/** Starts a process that prints a line when the memory of its template is about to be saved. */
function startCreator(root: string) {
  const script = `
    const { TemplateStore } = await import(${module("engine/template/template-store.ts")});
    const { makeTemplate } = await import(${module("engine/template/make-template.ts")});
    const prepare = async () => console.log("saving");
    await new TemplateStore(process.argv[1]).create("half", (path) => makeTemplate(path, { name: "half", prepare }));`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script, root], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  return { child, ended: once(child, "close") };
}

function restorer(template: string): string {
  return `
    const { SandboxGuest } = await import(${module("engine/guest/sandbox-guest.ts")});
    const guest = await SandboxGuest.restore(${JSON.stringify(template)}, { name: "held" });
    console.log(guest.guest.pids[0]);
    setInterval(() => undefined, 60_000);`;
}

/** Returns the first line of a process's output. Rejects if it ends before. */
async function firstLine(child: ChildProcessByStdio<null, Readable, null>): Promise<string> {
  for await (const line of createInterface(child.stdout)) return line;
  throw new Error("the process ended before it printed a line");
}

function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}
