import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import type { JsonMessage } from "../../conversation/format/message-json.ts";
import type { ScriptedCall } from "../../conversation/testing/scripted-server.ts";
import { CloudHypervisor } from "./cloud-hypervisor.ts";
import { Firecracker } from "./firecracker.ts";
import type { MachineControl, VmmVersion } from "./machine-control.ts";
import { startClone } from "./start-clone.ts";
import { takeSnapshot } from "./take-snapshot.ts";
import { readApi } from "./testing/api-description.ts";
import { CONFIG, cloudHypervisorModel } from "./testing/cloud-hypervisor-model.ts";
import { firecrackerModel } from "./testing/firecracker-model.ts";
import { startHybridAgent } from "./testing/hybrid-agent.ts";
import type { ScriptedVmm, VmmModel } from "./testing/scripted-vmm.ts";
import { testFolder, testVmm } from "./testing/vmm-folder.ts";

const LOSS = { kind: "connection", object: "cid 2", consequence: "it is closed" };
const DONE: ScriptedCall = ({ epoch }) => ({ epoch, generation: 4 });

/** One of the VMMs, with the names of its requests. */
interface Kind {
  readonly name: string;
  readonly file: string;
  readonly version: string;
  readonly operations: Readonly<Record<"version" | "pause" | "snapshot" | "resume" | "restore", string>>;
  model(version: string, isNew: boolean): VmmModel;
  control(socket: string, folder: string): MachineControl;
}

const FIRECRACKER: Kind = {
  name: "firecracker",
  file: "firecracker-api.yaml",
  version: "1.16.2",
  operations: {
    version: "GET /",
    pause: "PATCH /vm",
    snapshot: "PUT /snapshot/create",
    resume: "PATCH /vm",
    restore: "PUT /snapshot/load",
  },
  model: (version, isNew) => firecrackerModel(version, isNew ? "Not started" : "Running"),
  control: (socket, folder) => new Firecracker(socket, { clone: { vsock: `${folder}/v.sock` } }),
};

const cloudHypervisorApi = readApi("cloud-hypervisor-api.yaml");
const CLOUD_HYPERVISOR: Kind = {
  name: "cloud-hypervisor",
  file: "cloud-hypervisor-api.yaml",
  version: "53.0.0",
  operations: {
    version: "GET /api/v1/vmm.ping",
    pause: "PUT /api/v1/vm.pause",
    snapshot: "PUT /api/v1/vm.snapshot",
    resume: "PUT /api/v1/vm.resume",
    restore: "PUT /api/v1/vm.restore",
  },
  model: (version, isNew) =>
    cloudHypervisorModel(cloudHypervisorApi, version, isNew ? "none" : "Running", { ...CONFIG, net: [], disks: [] }),
  control: (socket, folder) =>
    new CloudHypervisor(socket, { clone: { folder: `${folder}/clone`, vsock: `${folder}/new.sock` } }),
};

describe.each([FIRECRACKER, CLOUD_HYPERVISOR])("with $name", (kind) => {
  const { operations } = kind;

  /** Starts a VMM and an agent behind its vsock socket; `log` has the requests of both in their order. */
  async function start(isNew: boolean, calls: Readonly<Record<string, ScriptedCall>> = {}, lost = 0) {
    const folder = testFolder();
    const log: string[] = [];
    const requests: JsonMessage[] = [];
    const logged = Object.entries({ Quiesce: () => ({ epoch: 3, losses: [LOSS] }), Resumed: DONE, ...calls }).map(
      ([name, call]): [string, ScriptedCall] => [
        name,
        (request) => {
          log.push(name);
          requests.push(request);
          return call(request);
        },
      ],
    );
    const agent = await startHybridAgent(join(folder, "v.sock"), Object.fromEntries(logged), lost);
    onTestFinished(() => agent[Symbol.asyncDispose]());
    const model = kind.model(kind.version, isNew);
    const socket = join(folder, "api.sock");
    const vmm: ScriptedVmm = await testVmm(socket, readApi(kind.file), (operation, body) => {
      log.push(agent.connections.open.size === 0 ? operation : `${operation} during a connection`);
      return model(operation, body);
    });
    onTestFinished(() => expect(vmm.problems).toEqual([]));
    const address = `hvsock://${folder}/v.sock:1024`;
    return { folder, log, requests, agent, vmm, address, machine: kind.control(socket, folder) };
  }

  async function template(): Promise<string> {
    const { folder, machine, address } = await start(false);
    const snapshot = join(folder, "snapshot");
    mkdirSync(snapshot);
    await takeSnapshot(machine, { address, folder: snapshot });
    return snapshot;
  }

  test("a snapshot is taken between Quiesce and Resumed, with no connection open", async () => {
    const { folder, log, requests, machine, address } = await start(false);
    mkdirSync(join(folder, "s"));
    const before = Date.now();
    const copyDisks = async () => void log.push("copy");
    const options = { address, folder: join(folder, "s"), freezeContainers: true, copyDisks };
    const taken = await takeSnapshot(machine, options);
    expect(taken).toMatchObject({ manifest: { epoch: 3, vmm: kindOf(kind) }, losses: [LOSS] });
    const { version, pause, snapshot, resume } = operations;
    expect(log).toEqual([version, "Quiesce", pause, snapshot, "copy", resume, "Resumed"]);
    expect(requests[0]).toEqual({ freeze_containers: true });
    expect(requests[1]).toMatchObject({ epoch: "3" });
    // Nanoseconds that are 0, as in one millisecond of a thousand, are not sent.
    const fields = new Set(Object.keys(requests[1] as object)).add("realtime_nanos");
    expect([...fields].toSorted()).toEqual(["epoch", "realtime_nanos", "realtime_seconds"]);
    expect(millisecondsOf(requests[1])).toBeGreaterThanOrEqual(before);
  });

  test("a clone is loaded, continued, and told its epoch, entropy, time and identity", async () => {
    const { log, requests, machine, address } = await start(true);
    const from = await template();
    const before = Date.now();
    const identity = { hostname: "clone-7", machine_id: "0".repeat(32), dns: ["nameserver 10.0.2.3"] };
    const answer = await startClone(machine, { address, folder: from, epoch: 9, identity });
    expect(answer).toMatchObject({ epoch: 9, generation: 4 });
    const { version, restore, resume } = operations;
    expect(log.filter((each, index) => each !== log[index - 1])).toEqual([version, restore, resume, "Resumed"]);
    expect(requests[0]).toMatchObject({ ...identity, epoch: "9" });
    expect(Buffer.from(String(requests[0]?.["entropy"]), "base64")).toHaveLength(64);
    expect(millisecondsOf(requests[0])).toBeGreaterThanOrEqual(before);
  });

  test("Resumed is repeated on new connections, each with new entropy, until the guest answers", async () => {
    let answers = 0;
    const Resumed: ScriptedCall = (request) => {
      answers += 1;
      if (answers === 1) for (const socket of agent.connections.open) socket.destroy();
      return DONE(request);
    };
    const { agent, requests, machine, address } = await start(true, { Resumed }, 2);
    await startClone(machine, { address, folder: await template(), epoch: 4 });
    expect(agent.connections.opened).toBe(4);
    expect(new Set(requests.map(({ entropy }) => String(entropy))).size).toBe(2);
  });

  test("a guest that refuses Resumed, or never answers it, fails the clone", async () => {
    const from = await template();
    const refuse = await start(true, {
      Resumed: () => {
        throw new Error("epoch 4 is lower than 5");
      },
    });
    const clone = { folder: from, epoch: 4 };
    await expect(startClone(refuse.machine, { ...clone, address: refuse.address })).rejects.toThrow(
      `resume the guest at ${refuse.address}: Error: epoch 4 is lower than 5; destroy a clone that can't be told`,
    );
    expect(refuse.agent.connections.opened).toBe(1);
    const silent = await start(true, { Resumed: () => new Promise(() => undefined) });
    const late = { ...clone, address: silent.address, guestTimeoutMs: 50 };
    await expect(startClone(silent.machine, late)).rejects.toThrow(
      `resume the guest at ${silent.address}: no answer within 50 ms`,
    );
  });

  test("a clone with an epoch that isn't higher, or another version's snapshot, is refused before it is loaded", async () => {
    const { log, machine, address } = await start(true);
    const folder = await template();
    const clone = { address, folder, epoch: 4 };
    await expect(startClone(machine, { ...clone, epoch: 3 })).rejects.toThrow(
      `clone of ${folder}: epoch 3 is not above the snapshot's 3; count up`,
    );
    const path = join(folder, "manifest.json");
    const manifest = JSON.parse(readFileSync(path, "utf8"));
    writeFileSync(path, JSON.stringify({ ...manifest, vmm: { name: kind.name, version: "1.0.0" } }));
    await expect(startClone(machine, clone)).rejects.toThrow(
      `clone of ${folder}: ${kind.name} 1.0.0 wrote it, and this is ${kind.name} ${kind.version}; use the same version, or create it again`,
    );
    expect(log).toEqual([operations.version]);
  });

  test("a guest continues after a snapshot that fails, or that the check refuses", async () => {
    const { log, vmm, machine, address } = await start(false);
    const { version, pause, snapshot, resume } = operations;
    vmm.next(snapshot, { status: 500, text: "No space left on device" });
    await expect(takeSnapshot(machine, { address, folder: "/s" })).rejects.toThrow(
      "the VMM answered 500, No space left on device; pause the machine first",
    );
    expect(log.splice(0)).toEqual([version, "Quiesce", pause, resume, "Resumed"]);
    const check = () => {
      throw new Error("a share would be lost");
    };
    await expect(takeSnapshot(machine, { address, folder: "/s", check })).rejects.toThrow("a share would be lost");
    expect(log.splice(0)).toEqual([version, "Quiesce", "Resumed"]);
    const stop = new AbortController();
    const cancel = { address, folder: "/s", signal: stop.signal, check: () => stop.abort(new Error("^C")) };
    await expect(takeSnapshot(machine, cancel)).rejects.toThrow("^C");
    expect(log).toEqual([version, "Quiesce", "Resumed"]);
  });

  test("a guest that can't continue is reported with the first failure, on one line", async () => {
    const paused = await start(false);
    paused.vmm.next(operations.snapshot, { status: 500, text: "No space left on device" });
    const { machine } = paused;
    const stuck: MachineControl = {
      vmm: () => machine.vmm(),
      pause: () => machine.pause(),
      snapshot: (folder) => machine.snapshot(folder),
      restore: (folder) => machine.restore(folder),
      resume: async () => {
        throw new Error("the VMM has ended");
      },
    };
    await expect(takeSnapshot(stuck, { address: paused.address, folder: "/s" })).rejects.toThrow(
      /^snapshot: .* No space left on device; .*; and the machine stays paused: the VMM has ended$/,
    );
    const unfit = await start(false, { Quiesce: () => ({ epoch: 3 }), Resumed: () => Promise.reject(new Error("no")) });
    mkdirSync(join(unfit.folder, "s"));
    await expect(
      takeSnapshot(unfit.machine, { address: unfit.address, folder: join(unfit.folder, "s") }),
    ).rejects.toThrow(/^the guest refuses new containers until Resumed arrives: resume the guest at .*: Error: no;/);
  });

  test("nothing is paused if the guest doesn't answer Quiesce", async () => {
    const Quiesce: ScriptedCall = () => {
      for (const socket of agent.connections.open) socket.destroy();
      return new Promise(() => undefined);
    };
    const { agent, log, machine, address } = await start(false, { Quiesce });
    await expect(takeSnapshot(machine, { address, folder: "/s" })).rejects.toThrow(
      `quiesce the guest at ${address}: ttrpc: closed by the agent; repeat it, or call Resumed`,
    );
    expect(log).toEqual([operations.version, "Quiesce"]);
  });
});

function kindOf({ name, version }: Kind): VmmVersion {
  return { name, version };
}

function millisecondsOf(request: JsonMessage | undefined): number {
  return Number(request?.["realtime_seconds"]) * 1000 + Number(request?.["realtime_nanos"] ?? 0) / 1e6;
}
