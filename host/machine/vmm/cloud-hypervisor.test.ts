import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { CloudHypervisor } from "./cloud-hypervisor.ts";
import type { CloudHypervisorClone } from "./cloud-hypervisor-clone.ts";
import { readApi } from "./testing/api-description.ts";
import { CONFIG, cloudHypervisorModel } from "./testing/cloud-hypervisor-model.ts";
import type { ScriptedVmm } from "./testing/scripted-vmm.ts";
import { testFolder, testVmm } from "./testing/vmm-folder.ts";

const api = readApi("cloud-hypervisor-api.yaml");

interface Pair {
  readonly vmm: ScriptedVmm;
  readonly folder: string;
  readonly at: string;
  /** A client; for restores, with these resources and the folder `clone`. */
  client(clone?: Partial<CloudHypervisorClone>): CloudHypervisor;
}

async function start(state: "none" | "Running" | "Paused", version = "53.0.0"): Promise<Pair> {
  const folder = testFolder();
  const socket = join(folder, "api.sock");
  const vmm = await testVmm(socket, api, cloudHypervisorModel(api, version, state, CONFIG));
  onTestFinished(() => expect(vmm.problems).toEqual([]));
  const own = { folder: join(folder, "clone"), vsock: join(folder, "v.sock") };
  const rest = { taps: { _net2: "tap1" }, disks: { _disk1: "/vm/1/scratch.img" } };
  return {
    vmm,
    folder,
    at: `Cloud Hypervisor at ${socket}`,
    client: (clone) =>
      new CloudHypervisor(socket, { timeoutMs: 50_000, ...(clone && { clone: { ...own, ...rest, ...clone } }) }),
  };
}

/** Writes a template with the pretended program into the pair's folder. */
async function template(pair: Pair): Promise<string> {
  const folder = join(pair.folder, "template");
  mkdirSync(folder);
  const { client } = await start("Paused");
  await client().snapshot(folder);
  return folder;
}

test("returns the name and version that a manifest keeps", async () => {
  const { client } = await start("none");
  expect(await client().vmm()).toEqual({ name: "cloud-hypervisor", version: "53.0.0" });
});

test("pauses, writes a snapshot folder, and resumes", async () => {
  const { client, vmm, folder } = await start("Running");
  mkdirSync(join(folder, "new one"));
  await client().pause();
  await client().snapshot(join(folder, "new one"));
  await client().resume();
  expect(readdirSync(join(folder, "new one"))).toEqual(["config.json", "memory-ranges", "state.json"]);
  expect(vmm.seen).toEqual([
    ["PUT /api/v1/vm.pause"],
    ["PUT /api/v1/vm.snapshot", { destination_url: `file://${folder}/new one` }],
    ["PUT /api/v1/vm.resume"],
  ]);
});

test("restores a clone from its own folder: links to memory and state, and a config.json of its own", async () => {
  const pair = await start("none");
  const from = await template(pair);
  const clone = join(pair.folder, "clone 1");
  await pair.client({ folder: clone }).restore(from);
  expect(pair.vmm.seen).toEqual([["PUT /api/v1/vm.restore", { source_url: `file://${clone}` }]]);
  for (const file of ["memory-ranges", "state.json"]) {
    expect(statSync(join(clone, file)).ino).toBe(statSync(join(from, file)).ino);
  }
  const config = JSON.parse(readFileSync(join(clone, "config.json"), "utf8"));
  expect(config.vsock.socket).toBe(join(pair.folder, "v.sock"));
  expect(JSON.parse(readFileSync(join(from, "config.json"), "utf8"))).toEqual(CONFIG);
  expect([statSync(clone).mode & 0o777, statSync(join(clone, "config.json")).mode & 0o777]).toEqual([0o700, 0o600]);
  await pair.client().resume();
});

test("restores several clones of one template at once, each with its own resources", async () => {
  const pairs = await Promise.all([start("none"), start("none"), start("none")]);
  const from = await template(pairs[0]);
  await Promise.all(pairs.map((pair, index) => pair.client({ taps: { _net2: `tap${index}` } }).restore(from)));
  const configs = pairs.map(({ folder }) => JSON.parse(readFileSync(join(folder, "clone/config.json"), "utf8")));
  expect(new Set(configs.map(({ vsock }) => vsock.socket)).size).toBe(3);
  expect(configs.map(({ net }) => net[0].tap)).toEqual(["tap0", "tap1", "tap2"]);
});

test("loads memory on demand with v52 or later, and refuses it with an older version", async () => {
  const pair = await start("none", "52.0.0");
  await pair.client({ memory: "on-demand" }).restore(await template(pair));
  expect(pair.vmm.seen[1]?.[1]).toMatchObject({ memory_restore_mode: "OnDemand" });
  const old = await start("none", "51.1.0");
  const from = await template(old);
  await expect(old.client({ memory: "on-demand" }).restore(from)).rejects.toThrow(
    `restore: ${old.at}: version 51.1.0 can't load memory on demand; leave memory out, or use v52.0`,
  );
  expect(existsSync(join(old.folder, "clone"))).toBe(false);
});

test("refuses a clone whose resources aren't its own, before the VMM is asked, and leaves nothing", async () => {
  const pair = await start("none");
  const from = await template(pair);
  const busy = join(pair.folder, "busy.sock");
  writeFileSync(busy, "");
  const cases = [
    [{ vsock: busy }, `vsock socket ${busy} exists; remove it if its VMM has ended`],
    [{ vsock: "/none/v.sock" }, "vsock socket /none/v.sock: create its folder first"],
    [{ taps: {} }, "network device _net2 uses the template's tap tap-template; name the clone's in taps"],
    [{ disks: {} }, "disk _disk1 (/vm/template/scratch.img) is writable; name the clone's copy in disks"],
    [{ folder: "/dev/shm/none/clone" }, "name a new folder whose parent exists"],
  ] as const;
  for (const [clone, why] of cases) await expect(pair.client(clone).restore(from)).rejects.toThrow(why);
  await expect(pair.client({}).restore("/none")).rejects.toThrow(/ENOENT.*'\/none\/config.json'; take the template/);
  await expect(pair.client().restore(from)).rejects.toThrow("no folder for the clone; pass the option clone");
  writeFileSync(join(from, "config.json"), '{"a": 1');
  await expect(pair.client({}).restore(from)).rejects.toThrow(
    /config\.json:1:8: Expected .*; take the template again$/,
  );
  expect(existsSync(join(pair.folder, "clone"))).toBe(false);
  expect(pair.vmm.seen).toEqual([]);
});

test("never writes into a clone's folder that exists, and removes one that it can't finish", async () => {
  const pair = await start("none");
  const from = await template(pair);
  mkdirSync(join(pair.folder, "other"));
  await expect(pair.client({ folder: join(pair.folder, "other") }).restore(from)).rejects.toThrow("EEXIST");
  expect(readdirSync(join(pair.folder, "other"))).toEqual([]);
  const far = `/proc/${process.pid}/clone`;
  await expect(pair.client({ folder: far }).restore(from)).rejects.toThrow(`folder ${far}: ENOENT`);
  rmSync(join(from, "state.json"));
  await expect(pair.client({}).restore(from)).rejects.toThrow(`use the file system of ${from}`);
  expect(existsSync(join(pair.folder, "clone"))).toBe(false);
});

test("reports refusals with Cloud Hypervisor's causes and a remedy", async () => {
  const none = await start("none");
  await expect(none.client().pause()).rejects.toThrow(
    `pause: ${none.at}: the VMM answered 404, Error from API: VM is not created; boot the machine first`,
  );
  const running = await start("Running");
  await expect(running.client().snapshot("/s")).rejects.toThrow(
    `snapshot: ${running.at}: the VMM answered 500, Error from API: Invalid state transition: Running to Paused; pause the machine first, and check that /s is an empty folder with space`,
  );
  const from = await template(running);
  await expect(running.client({}).restore(from)).rejects.toThrow(
    "the VMM answered 404, Error from API: VM is already created; use a Cloud Hypervisor without a machine",
  );
  expect(existsSync(join(running.folder, "clone"))).toBe(false);
});

test("understands the plain text of older versions, and refuses answers of another program", async () => {
  const { client, vmm } = await start("Running");
  vmm.next("PUT /api/v1/vm.pause", { status: 500, text: "VmPause(\n  Denied)" });
  await expect(client().pause()).rejects.toThrow("the VMM answered 500, VmPause(\\u000a  Denied); boot the machine");
  vmm.next("GET /api/v1/vmm.ping", { status: 200, text: "{}" });
  await expect(client().vmm()).rejects.toThrow(
    "the answer has no version; check that the socket is Cloud Hypervisor's",
  );
  vmm.next("PUT /api/v1/vm.resume", "reset");
  await expect(client().resume()).rejects.toThrow("no answer, socket hang up; the VMM may have ended");
});
