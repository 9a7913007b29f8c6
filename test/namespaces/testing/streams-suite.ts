import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { randomBytesOf, randomFrom } from "../../../lib/seeded-random.ts";
import type { Init } from "../../../proto/codec.ts";
import type { grpc } from "../../../proto/gen/messages.js";
import { describeInNamespaces } from "../../init/testing/describe-in-namespaces.ts";
import { startCuttingProxy } from "../../scenarios/cutting-proxy.ts";
import { Pod } from "../../scenarios/pod.ts";
import { expectExactly, follow, type Received } from "../../scenarios/resumed-streams.ts";
import { startHostAgent } from "./host-agent.ts";

/** GUESTD_SEED repeats a run. */
const SEED = Number(process.env["GUESTD_SEED"] ?? Date.now() % 100_000);
/** Bytes after which a connection is cut at the latest: more than a frame of 32 KiB, which a client takes whole. */
const MOST_BYTES = 60_000;

const shell = (script: string, parts: Init<grpc.Process> = {}) => ({
  Args: ["sh", "-c", script],
  Env: ["PATH=/bin"],
  Cwd: "/",
  ...parts,
});

const numbers = (count: number) => Buffer.from(Array.from({ length: count }, (_, at) => `${at + 1}\n`).join(""));

/**
 * Three processes at once behind a proxy that cuts connections after any byte, clients that end and leave their position
 * to others, and an agent that is killed: what arrives equals what was written, both ways, with one exit each.
 */
export function streamsSuite(disconnects: number, kills: number, carrier: "socket" | "gRPC" = "socket"): void {
  const what = carrier === "gRPC" ? "attachments over gRPC" : "attachments";
  describeInNamespaces(`${what} whose connections are cut after any byte`, () => {
    it(`lose and double nothing over ${disconnects} disconnections and ${kills} kills of the agent (seed ${SEED})`, async () => {
      const random = randomFrom(SEED);
      await using machine = await startHostAgent();
      const api = machine.address.slice("unix://".length);
      const target = carrier === "gRPC" ? api : `${api}_1028`;
      await using proxy = await startCuttingProxy(join(machine.directory, "proxy"), target, random, MOST_BYTES);
      const pod = await Pod.open(machine);
      const container = await pod.start(["sleep", "10000"]);
      const killing = new AbortController();
      let [killed, lost, rounds] = [0, 0, 0];
      const kill = async () => {
        // Each agent lives at least as long as it took to start, so that slow machines get on.
        for (let startMs = 0; !killing.signal.aborted && killed < kills; killed++) {
          await sleep(startMs + random() * 1000, undefined, { signal: killing.signal }).catch(() => undefined);
          if (killing.signal.aborted) return;
          const began = performance.now();
          await machine.killAgent();
          startMs = performance.now() - began;
        }
      };
      const dying = kill();
      while (lost + killed < disconnects + kills || killed < kills) {
        const exec = (name: string) => `${name}${rounds}`;
        const input = randomBytesOf(random, 160_000);
        const typed = randomBytesOf(random, 100_000);
        const address = carrier === "gRPC" ? `grpc+${proxy.address}` : proxy.address;
        const both = "seq 1 8000 >&2 & seq 1 60000; wait; exit 3";
        const raw = `stty raw -echo; echo ready; head -c ${typed.length}`;
        const [cat, seq, tty]: readonly Received[] = await Promise.all([
          follow({
            ...{ address, random, input, successors: 0.02 },
            request: { container, exec: exec("cat"), process: shell("cat") },
          }),
          follow({
            ...{ address, random, successors: 0.05 },
            request: { container, exec: exec("seq"), process: shell(both) },
          }),
          follow({
            ...{ address, random, input: typed, ready: 6, successors: 0.02 },
            request: { container, exec: exec("tty"), process: shell(raw, { Terminal: true }) },
          }),
        ]);
        if (cat === undefined || seq === undefined || tty === undefined) throw new Error("three results");
        expectExactly(cat, input);
        expectExactly(seq, numbers(60_000), numbers(8000));
        expectExactly(tty, Buffer.concat([Buffer.from("ready\n"), typed]));
        expect([cat.code, seq.code, tty.code]).toEqual([0, 3, 0]);
        lost += cat.lost + seq.lost + tty.lost;
        rounds++;
      }
      killing.abort();
      await dying;
      process.stdout.write(`${proxy.cuts} cuts, ${lost} lost connections, ${killed} kills in ${rounds} rounds\n`);
      await pod.client.close();
    }, 3_600_000);
  });
}
