import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { Firecracker, type FirecrackerClone } from "./firecracker.ts";
import { readApi } from "./testing/api-description.ts";
import { firecrackerModel } from "./testing/firecracker-model.ts";
import type { ScriptedVmm } from "./testing/scripted-vmm.ts";
import { testFolder, testVmm } from "./testing/vmm-folder.ts";

const api = readApi("firecracker-api.yaml");

interface Pair {
  readonly vmm: ScriptedVmm;
  readonly folder: string;
  readonly at: string;
  readonly client: Firecracker;
}

async function start(
  state: "Not started" | "Running" | "Paused",
  { version = "1.16.2", clone = {} }: { version?: string; clone?: FirecrackerClone } = {},
): Promise<Pair> {
  const folder = testFolder();
  const socket = join(folder, "api.sock");
  const vmm = await testVmm(socket, api, firecrackerModel(version, state));
  onTestFinished(() => expect(vmm.problems).toEqual([]));
  return { vmm, folder, at: `Firecracker at ${socket}`, client: new Firecracker(socket, { clone, timeoutMs: 50_000 }) };
}

async function withSnapshot(pair: Pair): Promise<string> {
  const { vmm, client } = await start("Paused");
  const folder = join(pair.folder, "snapshot");
  mkdirSync(folder);
  await client.snapshot(folder);
  expect(vmm.seen).toHaveLength(1);
  return folder;
}

test("returns the name and version that a manifest keeps", async () => {
  const { client } = await start("Running");
  expect(await client.vmm()).toEqual({ name: "firecracker", version: "1.16.2" });
});

test("pauses, writes memory and state as two files, and resumes", async () => {
  const { client, vmm, folder } = await start("Running");
  mkdirSync(join(folder, "new"));
  await client.pause();
  await client.snapshot(join(folder, "new"));
  await client.resume();
  expect(readdirSync(join(folder, "new")).toSorted()).toEqual(["memory", "state"]);
  expect(vmm.seen).toEqual([
    ["PATCH /vm", { state: "Paused" }],
    [
      "PUT /snapshot/create",
      { snapshot_type: "Full", snapshot_path: `${folder}/new/state`, mem_file_path: `${folder}/new/memory` },
    ],
    ["PATCH /vm", { state: "Resumed" }],
  ]);
});

test("loads a snapshot with the clone's vsock path and taps, and leaves the clone paused", async () => {
  const clone = { vsock: "/run/clone/v.sock", taps: { eth0: "tap7", eth1: "tap8" } };
  const pair = await start("Not started", { clone });
  const snapshot = await withSnapshot(pair);
  await pair.client.restore(snapshot);
  expect(pair.vmm.seen).toEqual([
    ["GET /"],
    [
      "PUT /snapshot/load",
      {
        snapshot_path: `${snapshot}/state`,
        mem_backend: { backend_type: "File", backend_path: `${snapshot}/memory` },
        resume_vm: false,
        network_overrides: [
          { iface_id: "eth0", host_dev_name: "tap7" },
          { iface_id: "eth1", host_dev_name: "tap8" },
        ],
        vsock_override: { uds_path: "/run/clone/v.sock" },
      },
    ],
  ]);
  await pair.client.pause();
});

test("sends no field that an older version would refuse, if the clone replaces nothing", async () => {
  const pair = await start("Not started", { version: "1.4.0" });
  await pair.client.restore(await withSnapshot(pair));
  expect(Object.keys(pair.vmm.seen[1]?.[1] as object)).toEqual(["snapshot_path", "mem_backend", "resume_vm"]);
});

test.each([
  [
    { vsock: "v.sock" },
    "1.15.1",
    "version 1.15.1 can't replace the vsock path; start each clone in its own directory or jail and leave its vsock path out, or use 1.16.0 or later",
  ],
  [
    { taps: { eth0: "tap7" } },
    "1.11.0",
    "version 1.11.0 can't replace taps; give each clone a network namespace with a tap of the snapshot's name, or use 1.12.0 or later",
  ],
])("refuses to replace %j with version %s, before anything is loaded", async (clone, version, why) => {
  const { client, vmm, at } = await start("Not started", { version, clone });
  await expect(client.restore("/snapshot")).rejects.toThrow(`restore: ${at}: ${why}`);
  expect(vmm.seen).toEqual([["GET /"]]);
});

test("refuses to load a snapshot into a process with a machine", async () => {
  const { client, vmm, at } = await start("Running");
  await expect(client.restore("/snapshot")).rejects.toThrow(
    `restore: ${at}: it already has a machine, which is running; start another firecracker process, which loads a snapshot before it is configured`,
  );
  expect(vmm.seen).toEqual([["GET /"]]);
});

test("reports refusals with Firecracker's message and a remedy", async () => {
  const running = await start("Running");
  await expect(running.client.snapshot("/s")).rejects.toThrow(
    `snapshot: ${running.at}: the VMM answered 400, Cannot save the state of a microVM that isn't paused; pause the machine first, and check that /s exists where Firecracker runs and has space`,
  );
  const idle = await start("Not started");
  await expect(idle.client.pause()).rejects.toThrow(
    `pause: ${idle.at}: the VMM answered 400, The requested operation is not supported before starting the microVM.; start the machine first`,
  );
  await expect(idle.client.restore("/none")).rejects.toThrow(
    /the VMM answered 400, Failed to open snapshot file: \/none\/state\\u000a; this firecracker ends now: .*start another/,
  );
});

test("reports a process that ends while it loads a snapshot", async () => {
  const { client, vmm, at } = await start("Not started");
  vmm.next("PUT /snapshot/load", "reset");
  await expect(client.restore("/s")).rejects.toThrow(
    `restore: ${at}: no answer, socket hang up; the VMM may have ended`,
  );
});

test("refuses answers of another program", async () => {
  const { client, vmm } = await start("Running");
  vmm.next("GET /", { status: 200, text: "[]" });
  await expect(client.vmm()).rejects.toThrow("lacks vmm_version or state; check that the socket is Firecracker's");
  vmm.next("PATCH /vm", { status: 400, text: "<html>no" });
  await expect(client.pause()).rejects.toThrow("the VMM answered 400, <html>no; start the machine first");
});
