import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import type { AgentClient } from "../../host/client/agent-client.ts";
import { buildProbe } from "./build-probe.ts";
import { runHooks } from "./killed-hooks.ts";
import { KilledHost } from "./killed-host.ts";
import { countSignals } from "./killed-signals.ts";
import { copyFiles, echoLines, printBursts, type StreamLoad } from "./killed-streams.ts";
import type { Machine } from "./machine.ts";
import { ociSpec } from "./oci.ts";
import { OpenLine } from "./open-line.ts";
import { Pod } from "./pod.ts";

/** All containers use it: it is mounted with the first and gone with the last. */
const STORAGE = { driver: "ephemeral", source: "shared", fstype: "tmpfs", mount_point: "/run/shared-by-containers" };
type Client = AgentClient;
const WAITERS = 3;
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

/** What a host was told: these must be there, whatever happens to the agent. */
interface Told {
  readonly code: number;
  started: boolean;
  readonly execs: Map<string, number>;
}

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
  readonly #told = new Map<string, Told>();
  #stop = false;
  #gaps = 0;
  #read = 0;
  #containers = 0;
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
    const id = await this.#startPrinter();
    const streams = this.#stream(id);
    const work = [
      this.#readLines(id),
      ...Array.from({ length: WAITERS }, (_, index) => this.#wait(id, index)),
      ...this.#makers.map((line, index) => this.#make(line, index)),
      ...streams,
      this.#killed.live(
        () => this.#stop,
        () => this.#lives++,
      ),
    ];
    const polling = this.#poll();
    // On a busy machine all kills may come before.
    while (this.#containers === 0 || this.#streams === 0) await Promise.race([sleep(1), Promise.all(work)]);
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
    const signal = { container_id: id, exec_id: "", signal: 9 };
    await this.#host.askAgain(({ agent }) => agent.signalProcess(signal));
    await this.#answered(work);
    await this.#check();
    await this.#remove(this.#host, id);
    for (const line of this.#lines) await line.close();
    await polling;
    const sum = (key: keyof OpenLine["counts"]) => this.#lines.reduce((total, line) => total + line.counts[key], 0);
    const { counts } = this.#killed;
    return {
      answered: sum("answered") + counts.answered,
      cutOff: sum("cutOff") + counts.cutOff,
      closed: sum("closed") + counts.closed,
      gaps: this.#gaps,
      lines: this.#read,
      containers: this.#containers,
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

  /** A container that prints numbered lines for ever, and execs in it that sleep. */
  async #startPrinter(): Promise<string> {
    const script =
      "i=0; while :; do j=0; while [ $j -lt 40 ]; do i=$((i+1)) j=$((j+1)); echo $i; done; sleep 0.01; done";
    const id = `load-printer-${Date.now().toString(36)}`;
    const { agent } = this.pod.client;
    await agent.createContainer({ container_id: id, OCI: ociSpec(this.#rootfs, ["sh", "-c", script]) });
    await agent.startContainer({ container_id: id });
    const process = { Args: ["sleep", "1000"], Env: ["PATH=/bin"], Cwd: "/" };
    for (let index = 0; index < WAITERS; index++) {
      await agent.execProcess({ container_id: id, exec_id: `waiter-${index}`, process });
    }
    return id;
  }

  /** Reads the numbered lines; none may be missing or come twice but where the connection was closed. */
  async #readLines(id: string): Promise<void> {
    let [rest, last] = ["", 0];
    for (let known = true; ; ) {
      const read = await this.#host.ask(({ agent }) => agent.readStdout({ container_id: id, exec_id: id, len: 4096 }));
      if (read === undefined) {
        [rest, known] = ["", false];
        continue;
      }
      if (read.data.length === 0) return;
      const lines = (rest + Buffer.from(read.data).toString()).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines.slice(known ? 0 : 1).map(Number)) {
        if (line !== last + 1) {
          expect(known, `line ${line} after line ${last} on a connection that stayed open`).toBe(false);
          this.#gaps++;
        }
        last = line;
        known = true;
        this.#read++;
      }
    }
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

  /** Waits, over all the kills, for a process that is killed at the end. */
  async #wait(id: string, index: number): Promise<void> {
    const exec_id = `waiter-${index}`;
    const { status } = await this.#host.askAgain(({ agent }) => agent.waitProcess({ container_id: id, exec_id }));
    expect(status).toBe(137);
  }

  /** Asks for OOM events, of which there are none. */
  async #poll(): Promise<void> {
    while (!this.#stop) await this.#host.ask(({ agent }) => agent.getOOMEvent({}));
  }

  /** Creates, starts, executes, waits, removes. Writes down what it was told. */
  async #make(line: OpenLine, maker: number): Promise<void> {
    for (let round = 1; !this.#stop; round++) {
      const code = maker * 50 + (round % 50);
      const container_id = `load-${maker}-${round}-${Date.now().toString(36)}`;
      const OCI = ociSpec(this.#rootfs, ["sh", "-c", `sleep 0.${1 + (round % 3)}; exit ${code}`]);
      const created = await line.ask(({ agent }) => agent.createContainer({ container_id, OCI, storages: [STORAGE] }));
      if (created === undefined) {
        await this.#remove(line, container_id);
        continue;
      }
      this.#containers++;
      const mine: Told = { code, started: false, execs: new Map() };
      this.#told.set(container_id, mine);
      await line.ask(({ agent }) => agent.pauseContainer({ container_id }));
      await line.ask(({ agent }) => agent.resumeContainer({ container_id }));
      await line.ask(({ agent }) => agent.updateContainer({ container_id, resources: {} }));
      const process = { Args: ["sh", "-c", `exit ${code + 1}`], Env: ["PATH=/bin"], Cwd: "/" };
      const executed = await line.ask(({ agent }) => agent.execProcess({ container_id, exec_id: "x", process }));
      if (executed !== undefined) mine.execs.set("x", code + 1);
      mine.started = (await line.ask(({ agent }) => agent.startContainer({ container_id }))) !== undefined;
      await this.#verify(line, container_id, mine, round % 2 === 0);
    }
  }

  /** Everything that was told is true. */
  async #verify(line: OpenLine, container_id: string, { code, started, execs }: Told, remove: boolean): Promise<void> {
    if (!remove) return;
    // Nobody knows of a start whose answer was lost; a second one is refused if it was done.
    const start = ({ agent }: Client) => agent.startContainer({ container_id }).catch(startedAlready);
    if (!started) await line.askAgain(start);
    for (const [exec_id, status] of [...execs, ["", code] as const]) {
      const waited = await line.askAgain(({ agent }) => agent.waitProcess({ container_id, exec_id }));
      expect(waited, `${container_id} "${exec_id}"`).toMatchObject({ status });
    }
    this.#told.delete(container_id);
    await this.#remove(line, container_id);
  }

  async #check(): Promise<void> {
    for (const [id, told] of [...this.#told]) await this.#verify(this.#host, id, told, true);
  }

  async #remove(line: OpenLine, container_id: string): Promise<void> {
    await line.askAgain(({ agent }) => agent.removeContainer({ container_id }).catch(notFound));
  }
}

/** It was removed before, or its creation was undone. */
function notFound(error: { kind?: string }): object {
  if (error.kind !== "not-found") throw error;
  return {};
}

function startedAlready(error: Error): object {
  if (!/started already|has ended/.test(error.message)) throw error;
  return {};
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
