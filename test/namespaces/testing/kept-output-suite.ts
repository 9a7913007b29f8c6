import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import fc from "fast-check";
import { expect, it } from "vitest";
import { RpcError } from "../../../host/client/rpc-error.ts";
import { type AttachOptions, type AttachRequest, attach } from "../../../host/client/streams/attachment.ts";
import { randomFrom } from "../../../lib/seeded-random.ts";
import { describeInNamespaces } from "../../init/testing/describe-in-namespaces.ts";
import { startCuttingProxy } from "../../scenarios/cutting-proxy.ts";
import { Pod } from "../../scenarios/pod.ts";
import { shellProcess } from "../../scenarios/streams.ts";
import { startHostAgent } from "./host-agent.ts";

/** GUESTD_SEED repeats a run. */
const SEED = Number(process.env["GUESTD_SEED"] ?? Date.now() % 100_000);
const LOG_BYTES = 65_536;
/** Bytes after which a connection is cut at the latest: more than a frame of 32 KiB, which a client takes whole. */
const MOST_BYTES = 150_000;

const TOO_LATE = new Set(["failed-precondition", "not-found"]);

interface Run {
  readonly mode: "hold" | "ring" | "spool" | "log" | "held-log";
  readonly keepBytes: number;
  /** Lines of 6 bytes of each burst of output, and ms before the next one. */
  readonly bursts: readonly { readonly lines: number; readonly pause: number }[];
  /** ms that the client, and each observer, takes for a piece. */
  readonly delay: number;
  readonly observers: readonly number[];
  readonly killAfter: number | undefined;
  readonly pauseAfter: number | undefined;
}

const delay = fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 15 }));
const aRun: fc.Arbitrary<Run> = fc.record({
  mode: fc.constantFrom("hold", "ring", "spool", "log", "held-log"),
  keepBytes: fc.integer({ min: 16_384, max: 100_000 }),
  bursts: fc.array(fc.record({ lines: fc.nat(12_000), pause: fc.nat(50) }), { minLength: 1, maxLength: 4 }),
  delay,
  observers: fc.array(delay, { maxLength: 3 }),
  killAfter: fc.option(fc.nat(300), { nil: undefined, freq: 2 }),
  pauseAfter: fc.option(fc.nat(200), { nil: undefined, freq: 2 }),
});

/** Returns a script that prints lines of 6 bytes, each of which tells its position, and what it prints. */
function printing(bursts: Run["bursts"]): { readonly script: string; readonly output: Buffer } {
  const parts: string[] = [];
  let lines = 0;
  for (const burst of bursts) {
    const from = lines + 1;
    lines = Math.max(lines + burst.lines, 10_000); // five digits
    if (from <= lines) parts.push(`seq -w ${from} ${lines}; sleep 0.0${String(burst.pause).padStart(2, "0")}`);
  }
  const output = Array.from({ length: lines }, (_, at) => `${String(at + 1).padStart(5, "0")}\n`).join("");
  return { script: `${parts.join("; ")}; exit 3`, output: Buffer.from(output) };
}

/** Output that must not have gaps, of a process that waits for its client. */
const isHeld = ({ mode }: Run) => mode === "hold" || mode === "held-log";

/** Attaches until the process ends; expects that what arrives and what is announced as gone follow each other exactly. */
async function read(address: string, request: AttachRequest, output: Buffer, ms: number, isExact: boolean) {
  let next: number | undefined;
  let gone = 0;
  const options: AttachOptions = {
    giveUpMs: 60_000,
    onData: async (_name, bytes, offset) => {
      expect(offset).toBe(next ?? offset);
      expect(output.subarray(offset, offset + bytes.length).equals(bytes)).toBe(true);
      next = offset + bytes.length;
      if (ms > 0) await sleep(ms);
    },
    onGap: (_name, from, to) => {
      expect(isExact).toBe(false);
      expect(from).toBe(next ?? from);
      expect(to).toBeGreaterThan(from);
      gone += to - from;
      next = to;
    },
  };
  const attachment = attach(address, request, options);
  const ended = attachment.exit.then((end) => {
    expect(end).toEqual({ code: 3, signal: 0, stdout: output.length, stderr: 0 });
    expect(next ?? output.length).toBe(output.length);
    return gone;
  });
  ended.catch(() => undefined);
  await attachment.attached;
  return { ended };
}

/**
 * Processes whose output is held, dropped or logged, with clients and observers of any speed behind a proxy that cuts
 * connections after any byte, an agent that is killed and containers that are paused: for every reader what arrives and what
 * is announced as gone is what the process wrote.
 */
export function keptOutputSuite(runs: number): void {
  describeInNamespaces("output in any mode, with any number of readers", () => {
    it(`arrives, or is announced as gone, byte for byte in ${runs} runs (seed ${SEED})`, async () => {
      await using machine = await startHostAgent({ config: `container_logs = ${LOG_BYTES}` });
      const target = `${machine.address.slice("unix://".length)}_1028`;
      await using proxy = await startCuttingProxy(
        join(machine.directory, "proxy"),
        target,
        randomFrom(SEED),
        MOST_BYTES,
      );
      const pod = await Pod.open(machine);
      let [gone, kills, count, late] = [0, 0, 0, 0];
      const during = async (run: Run, container: string) => {
        if (run.pauseAfter !== undefined) {
          await sleep(run.pauseAfter);
          await pod.client.agent.pauseContainer({ container_id: container }).catch(() => undefined); // it has ended
          await sleep(100);
          await pod.client.agent.resumeContainer({ container_id: container }).catch(() => undefined);
        }
        if (run.killAfter !== undefined) {
          await sleep(run.killAfter);
          await machine.killAgent();
          kills++;
        }
      };
      const check = async (run: Run) => {
        const { script, output } = printing(run.bursts);
        const isLog = run.mode === "log" || run.mode === "held-log";
        const container = await pod.start(isLog ? ["sh", "-c", `sleep 0.1; ${script}`] : ["sleep", "1000"]);
        const exec = `run${++count}`;
        const mode = run.mode === "log" ? "spool" : run.mode === "held-log" ? "hold" : run.mode;
        const process = shellProcess(`sleep 0.1; ${script}`);
        const keepBytes = run.mode === "ring" || run.mode === "spool" ? run.keepBytes : 0;
        const request = isLog ? { container, mode } : { container, exec, process, mode, keepBytes };
        const owner = await read(proxy.address, request, output, run.delay, isHeld(run));
        const readers = await Promise.all(
          run.observers.map((ms) =>
            read(proxy.address, { container, ...(isLog ? {} : { exec }), observe: true }, output, ms, false),
          ),
        );
        // An observer that comes back too late, such as after the agent's death, finds no process, and reports that.
        const observing = readers.map(({ ended }) =>
          ended.catch((error: unknown) => {
            if (isLog || !(error instanceof RpcError && TOO_LATE.has(error.kind))) throw error;
            late++;
          }),
        );
        const [ownerGone] = await Promise.all([owner.ended, ...observing, during(run, container)]);
        gone += ownerGone;
        await pod.remove(container);
        if (!isLog) return;
        const remains = await read(proxy.address, { container, observe: true }, output, 0, false);
        expect(await remains.ended).toBe(0);
      };
      await fc.assert(fc.asyncProperty(aRun, check), { numRuns: runs, seed: SEED, endOnFailure: true });
      const figures = `${proxy.cuts} cuts, ${kills} kills, ${gone} bytes announced as gone to clients`;
      process.stdout.write(`${runs} runs, ${figures}, ${late} observers too late\n`);
      await pod.client.close();
    }, 3_600_000);
  });
}
