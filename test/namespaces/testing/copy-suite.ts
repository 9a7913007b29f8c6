import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { copyIn } from "../../../host/client/streams/copy-in.ts";
import { copyOut } from "../../../host/client/streams/copy-out.ts";
import { randomFrom } from "../../../lib/seeded-random.ts";
import { describeInNamespaces } from "../../init/testing/describe-in-namespaces.ts";
import { startCuttingProxy } from "../../scenarios/cutting-proxy.ts";
import { Pod } from "../../scenarios/pod.ts";
import { makeSampleTree, snapshotTree } from "../../scenarios/sample-tree.ts";
import { startHostAgent } from "./host-agent.ts";

/** GUESTD_SEED repeats a run. */
const SEED = Number(process.env["GUESTD_SEED"] ?? Date.now() % 100_000);
/** Bytes after which a connection is cut at the latest: less than the largest file has. */
const MOST_BYTES = 400_000;

/** Copies trees both ways behind a proxy that cuts connections after any byte, with an agent that is killed. */
export function copySuite(disconnects: number, kills: number): void {
  describeInNamespaces("copies whose connections are cut after any byte", () => {
    it(`arrive whole over ${disconnects} disconnections and ${kills} kills of the agent (seed ${SEED})`, async () => {
      const random = randomFrom(SEED);
      await using machine = await startHostAgent();
      const target = `${machine.address.slice("unix://".length)}_1028`;
      await using proxy = await startCuttingProxy(join(machine.directory, "proxy"), target, random, MOST_BYTES);
      const pod = await Pod.open(machine);
      const container = await pod.start(["sleep", "10000"]);
      const inside = join(machine.directory, container);
      const host = join(machine.directory, "host");
      mkdirSync(host);
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
      const options = { keepOwners: true, keepPrivileges: true, onDisconnect: () => void lost++ };
      while (lost < disconnects || killed < kills) {
        const [there, back] = [join(host, `tree${rounds}`), join(host, `back${rounds}`)];
        makeSampleTree(there, random, { big: 1_500_000, small: 60 });
        const expected = snapshotTree(there);
        const path = `/copied${rounds}`;
        await copyIn(proxy.address, there, { container, path }, options);
        expect(snapshotTree(join(inside, path))).toEqual(expected);
        await copyOut(proxy.address, { container, path }, back, options);
        expect(snapshotTree(back)).toEqual(expected);
        for (const done of [there, back, join(inside, path)]) rmSync(done, { recursive: true });
        expect([...readdirSync(inside), ...readdirSync(host)].filter((name) => name.startsWith(".guestd"))).toEqual([]);
        rounds++;
      }
      killing.abort();
      await dying;
      process.stdout.write(
        `${proxy.cuts} cuts, ${lost} lost connections, ${killed} kills in ${rounds} rounds of copies\n`,
      );
      await pod.client.close();
    }, 3_600_000);
  });
}
