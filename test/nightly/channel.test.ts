import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { readContainerLog } from "../../host/engine/container/container-log.ts";
import { SandboxGuest } from "../../host/engine/guest/sandbox-guest.ts";
import { randomBytesOf, randomFrom } from "../../lib/seeded-random.ts";
import { Pod } from "../scenarios/pod.ts";
import { expectExactly, follow } from "../scenarios/resumed-streams.ts";
import { shellProcess } from "../scenarios/streams.ts";
import { copiesTree } from "../vm/testing/copied-tree.ts";
import { startGuestMachine } from "../vm/testing/guest-machine.ts";

const LINES = 50_000;

describe("a guest without vsock and shared folder", () => {
  const directory = mkdtempSync(join(tmpdir(), "channel-test-"));
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  it("is paused, saved and cloned", async () => {
    await using guest = await SandboxGuest.start({ name: "serial", vsock: "serial", hasDisks: true });
    await guest.pause();
    await guest.resume();
    await guest.client.health.check({});
    const snapshot = join(directory, "snapshot");
    await guest.save(snapshot);
    await guest.client.health.check({});
    await guest[Symbol.asyncDispose]();
    await using clone = await SandboxGuest.restore(snapshot, { name: "clone", hasNoFolder: true });
    await clone.client.health.check({});
    await clone.save(join(directory, "again"), { end: true });
  });
});

describe("a guest that is reached over virtio-serial alone", () => {
  it("copies a tree both ways, while a log and execs are followed and agents are killed", async () => {
    await using machine = await startGuestMachine(512, {
      vsock: "serial",
      kernelArgs: ["agent.container_logs=4194304"],
    });
    const address = machine.guest.address(1028);
    const pod = await Pod.open(machine);
    const print = `i=0; while [ $i -lt ${LINES} ]; do i=$((i+1)); echo line $i; done`;
    const [printer, container] = [await pod.start(["sh", "-c", print]), await pod.start(["sleep", "10000"])];
    const followLog = async () => {
      const parts: Uint8Array[] = [];
      await readContainerLog(address, printer, {
        ...{ follow: true, tail: undefined, since: undefined, timestamps: false },
        signal: new AbortController().signal,
        print: async (_, bytes) => void parts.push(Uint8Array.from(bytes)),
        warn: (line) => void parts.push(Buffer.from(line)),
      });
      return Buffer.concat(parts).toString();
    };
    const execs = [1, 2, 3].map(async (seed) => {
      const random = randomFrom(seed);
      const input = randomBytesOf(random, 300_000);
      const request = { container, exec: `cat${seed}`, process: shellProcess("cat") };
      expectExactly(await follow({ address, random, input, request, successors: 0.05 }), input);
    });
    const [log] = await Promise.all([followLog(), copiesTree(machine), ...execs]);
    expect(log).toBe(Array.from({ length: LINES }, (_, at) => `line ${at + 1}\n`).join(""));
    await pod.client.close();
  });
});
