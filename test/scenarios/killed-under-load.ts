import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import { buildProbe } from "./build-probe.ts";
import { KilledContainers, removeContainer } from "./killed-containers.ts";
import { runHooks } from "./killed-hooks.ts";
import { KilledHost } from "./killed-host.ts";
import { KilledPrinter } from "./killed-printer.ts";
import { countSignals } from "./killed-signals.ts";
import { copyFiles, echoLines, printBursts, type StreamLoad } from "./killed-streams.ts";
import type { Machine } from "./machine.ts";
import { OpenLine } from "./open-line.ts";
import { Pod } from "./pod.ts";

const BURSTS = 8;
const MAKERS = 2;
/** How long a sandbox and its first pod take, in pauses between kills. */
const OPENING_PAUSES = 3;
/** What is under way at the last kill takes some seconds. */
const [LIMIT_MS, GUEST_LIMIT_MS] = [60_000, 240_000];

export interface KillOptions {
  readonly kills: number;
  readonly seed: number;
  /** Between two kills, at most; in a guest as long as the agent's restart, if that takes longer. */
  readonly pauseMs: number;
}

interface KillsOfLoad extends Pick<KillOptions, "kills" | "pauseMs"> {
  readonly random: () => number;
}

/** What became of the calls of all connections, and the places where output is missing or came twice. */
export interface KillCounts {
  answered: number;
  cutOff: number;
  closed: number;
  gaps: number;
  lines: number;
  containers: number;
  /** Execs whose output, input or file was whole, containers whose hooks ran as promised. */
  streams: number;
  /** What the simulated shim did from its beginning to its end: its pods and execs. */
  lives: number;
  signals: number;
  /** Signals that were answered and never came: the agent died around pidfd_send_signal(2). */
  lostSignals: number;
  hooks: number;
  /** Runs of hooks beyond the first, as the agent died while they or those beside them ran. */
  repeatedHooks: number;
}

/** Of the counts, what no kill may change. */
export const NOTHING_LOST: Partial<KillCounts> = { cutOff: 0, closed: 0, gaps: 0 };

/**
 * Kills the agent at random moments of the life of a simulated shim, from its CreateSandbox to its end, and of a mixed load beside it.
 * All connections stay open. Checks that nothing that a host was told is untrue afterwards, that no call stays without an answer,
 * and that nothing is left. The first kill comes while the sandbox and its first pod are made, the last while the sandbox ends.
 */
export async function killUnderLoad(machine: Machine, { kills, seed, pauseMs }: KillOptions): Promise<KillCounts> {
  const random = randomFrom(seed);
  const connected = Promise.withResolvers<void>();
  const opening = KilledHost.open(machine, seed, connected.resolve);
  await Promise.race([connected.promise, opening]);
  await sleep(random() * OPENING_PAUSES * pauseMs);
  await Promise.all([opening, machine.killAgent()]);
  const host = await opening;
  const load = new Load(machine, await Pod.open(machine), host);
  const before = await load.settledTraces();
  const counts = await load.run({ kills: kills - 2, random, pauseMs });
  expect(await load.settledTraces(before)).toBe(before);
  await load.pod.client.close();
  await endUnderKill(machine, host, random() * pauseMs);
  return counts;
}

/** The sandbox may be gone before the kill, or instead of the next agent. */
async function endUnderKill(machine: Machine, host: KilledHost, afterMs: number): Promise<void> {
  const ended = host.end();
  await Promise.race([ended, sleep(afterMs)]);
  const killed = machine.killAgent().catch(() => "there is no agent any more");
  await Promise.all([ended, Promise.race([killed, ended])]);
}

class Load {
  readonly pod: Pod;
  readonly #machine: Machine;
  readonly #rootfs: string;
  readonly #host: OpenLine;
  readonly #makers: readonly OpenLine[];
  readonly #containers: KilledContainers;
  #stop = false;
  #streams = 0;
  readonly #printing: OpenLine;
  readonly #killed: KilledHost;
  #kills = 0;
  #lives = 0;
  readonly #signals = { signals: 0, lostSignals: 0 };
  readonly #hooks = { hooks: 0, repeatedHooks: 0 };

  constructor(machine: Machine, pod: Pod, killed: KilledHost) {
    this.#machine = machine;
    this.pod = pod;
    this.#killed = killed;
    this.#rootfs = machine.rootfs("all");
    copyFileSync(buildProbe(), join(machine.hostPath(this.#rootfs), "bin/probe"));
    this.#containers = new KilledContainers(this.#rootfs, () => this.#stop);
    this.#host = new OpenLine(machine);
    this.#printing = new OpenLine(machine);
    this.#makers = Array.from({ length: MAKERS }, () => new OpenLine(machine));
  }

  get #lines(): readonly OpenLine[] {
    return [this.#host, this.#printing, ...this.#makers];
  }

  /** What must not grow: cgroups, state files, mounts, descriptors of init. */
  traces(): Promise<string> {
    return this.#machine.shell(
      "find /sys/fs/cgroup -mindepth 1 -type d | sort; ls /run/guestd/containers; cat /proc/mounts; ls /proc/1/fd | wc -l",
    );
  }

  /**
   * The same as `expected`, or what stays the same: init closes what it kept of a process a moment after the host was
   * told that it is removed. Not expect.poll, which wants to know the test: several of them may run at once.
   */
  async settledTraces(expected?: string): Promise<string> {
    let last = await this.traces();
    for (let tries = 0; last !== expected && tries < 50; tries++) {
      await sleep(100);
      const next = await this.traces();
      if (expected === undefined && next === last) break;
      last = next;
    }
    return last;
  }

  async run({ kills, random, pauseMs }: KillsOfLoad): Promise<KillCounts> {
    const printer = await KilledPrinter.start(this.pod.client, this.#rootfs);
    const streams = this.#stream(printer.id);
    const work = [
      ...printer.follow(this.#host),
      ...this.#makers.map((line, index) => this.#containers.make(line, index)),
      ...streams,
      this.#killed.live(
        () => this.#stop,
        () => this.#lives++,
      ),
    ];
    const polling = this.#poll();
    // On a busy machine all kills may come before.
    while (this.#containers.created === 0 || this.#streams === 0) await Promise.race([sleep(1), Promise.all(work)]);
    for (let kill = 0, restartMs = 0; kill < kills; kill++) {
      // A guest without KVM would do nothing else than start agents.
      const mostMs = this.#machine.real ? Math.max(pauseMs, restartMs) : pauseMs;
      await Promise.race([sleep(random() * mostMs), Promise.all(work)]);
      this.#kills++;
      const before = performance.now();
      await this.#machine.killAgent();
      restartMs = performance.now() - before;
    }
    this.#stop = true;
    await this.#answered(streams);
    await printer.kill(this.#host);
    await this.#answered(work);
    await this.#containers.check(this.#host);
    await removeContainer(this.#host, printer.id);
    for (const line of this.#lines) await line.close();
    await polling;
    const sum = (key: keyof OpenLine["counts"]) => this.#lines.reduce((total, line) => total + line.counts[key], 0);
    const { counts } = this.#killed;
    return {
      answered: sum("answered") + counts.answered,
      cutOff: sum("cutOff") + counts.cutOff,
      closed: sum("closed") + counts.closed,
      ...printer.counts,
      containers: this.#containers.created,
      streams: this.#streams,
      lives: this.#lives,
      ...this.#signals,
      ...this.#hooks,
    };
  }

  /** Work that ends by itself, unless a call has no answer. */
  async #answered(work: readonly Promise<void>[]): Promise<void> {
    const limit = new AbortController();
    const late = sleep(this.#machine.real ? GUEST_LIMIT_MS : LIMIT_MS, undefined, limit).then(() => {
      const open = [...this.#lines.map((line) => `${line.open} calls`), ...this.#killed.open];
      throw new Error(`not answered in time: ${open.join("; ")}`);
    });
    await Promise.race([Promise.all(work), late]).finally(() => limit.abort());
  }

  #stream(container_id: string): Promise<void>[] {
    const load: StreamLoad = {
      machine: this.#machine,
      line: this.#printing,
      container_id,
      stopped: () => this.#stop,
      done: () => this.#streams++,
    };
    const bursts = Array.from({ length: BURSTS }, (_, worker) => printBursts(load, worker));
    const onHost = { ...load, line: this.#host };
    const signals = countSignals(onHost, (count, lost) => {
      this.#signals.signals += count;
      this.#signals.lostSignals += lost;
    });
    const kills = () => this.#kills;
    const hooks = runHooks(onHost, kills, (count, repeated) => {
      this.#hooks.hooks += count;
      this.#hooks.repeatedHooks += repeated;
    });
    return [...bursts, echoLines(load), copyFiles(onHost), signals, hooks];
  }

  /** Asks for OOM events, of which there are none. */
  async #poll(): Promise<void> {
    while (!this.#stop) await this.#host.ask(({ agent }) => agent.getOOMEvent({}));
  }
}

/** xorshift: the same moments each time. */
function randomFrom(seed: number): () => number {
  let state = seed * 2_654_435_761;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}
