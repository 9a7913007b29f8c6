import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { WarmStore } from "../../../guest/warm-start/warm-record.ts";
import { realFiles } from "../../../kernel/files.ts";
import { monotonicMs } from "../../../kernel/monotonic-ms.ts";
import { createSysDouble } from "../../../kernel/testing/sys-double.ts";
import { testNetwork } from "../../../network/testing/test-network.ts";
import type { HostConnection } from "../snapshot-losses.ts";
import { WarmStart } from "../warm-start.ts";

/** The error of everything that an agent does after its death. */
const DEAD = new Error("dead");

interface PlayedContainer {
  readonly id: string;
  paused: boolean;
  /** It can't be frozen. */
  isStuck?: boolean;
  readonly init: { readonly status: undefined };
}

/** A guest for tests of WarmStart, with one agent after another; any of them may die before any of its steps. */
export class WarmWorld {
  readonly directory: string;
  /** Effects on the guest, in order. */
  readonly effects: string[] = [];
  readonly containers = new Map<string, PlayedContainer>();
  connections: HostConnection[] = [];
  hostname = "template";
  /** Time by the guest's clock less that of the monotonic clock, ms. */
  clockOffset = 0;
  mounts = "";
  generation = 0;
  /** Steps until the death of the agent that takes them. */
  left = Number.POSITIVE_INFINITY;
  /** An agent has died. */
  hasDied = false;

  constructor(directory: string) {
    this.directory = directory;
    rmSync(directory, { recursive: true, force: true });
    mkdirSync(directory, { recursive: true });
  }

  addContainer(id: string, paused = false): PlayedContainer {
    const container = { id, paused, init: { status: undefined } };
    this.containers.set(id, container);
    return container;
  }

  /** Starts the next agent. Resolves its `ended` when it has ended itself. */
  agent(options: { isTemplate?: boolean } = {}): { readonly warmStart: WarmStart; readonly ended: Promise<void> } {
    const step = (effect: string, act: () => void = () => undefined) => {
      if (this.left-- <= 0) {
        this.hasDied = true;
        throw DEAD;
      }
      act();
      this.effects.push(effect);
    };
    const files = {
      ...realFiles,
      mounts: () => this.mounts,
      replace: (path: string, text: string) => step("record", () => realFiles.replace(path, text)),
    };
    const double = createSysDouble();
    const sys = {
      ...double,
      creditEntropy: () => step("entropy"),
      setTime: (seconds: number, micros: number) =>
        step("clock", () => {
          this.clockOffset = seconds * 1000 + micros / 1000 - monotonicMs();
        }),
      sync: async () => step("sync"),
    };
    const freeze = (container: PlayedContainer, paused: boolean) => async () =>
      step(`${paused ? "freeze" : "thaw"} ${container.id}`, () => {
        if (container.isStuck) throw new Error(`${container.id} does not freeze`);
        if (container.paused === paused) throw new Error(`${container.id} is in this state`);
        container.paused = paused;
      });
    const played = (container: PlayedContainer) =>
      Object.assign(Object.create(container), {
        pause: freeze(container, true),
        resume: freeze(container, false),
      });
    const { containers } = this;
    const sandbox = {
      get containers() {
        return [...containers.values()].map(played);
      },
      find: (id: string) => {
        const container = this.containers.get(id);
        return container && played(container);
      },
      rename: async (hostname: string) =>
        step("hostname", () => {
          this.hostname = hostname;
        }),
      updateDns: async () => step("dns"),
    };
    const { promise: ended, resolve } = Promise.withResolvers<void>();
    const warmStart = new WarmStart({
      store: new WarmStore(files, join(this.directory, "warm-start.json")),
      isTemplate: options.isTemplate ?? false,
      generation: ++this.generation,
      ownsKernel: false,
      kernel: { sys, files },
      sandbox: sandbox as never,
      network: testNetwork({ devices: [{ name: "eth0" }] }),
      machineIdPaths: { source: join(this.directory, "machine-id"), target: join(this.directory, "none") },
      clients: () => ({ connections: this.connections, streams: [], forwards: 0 }),
      trim: () => step("trim"),
      renewStreams: () => step("streams"),
      writeEpoch: (epoch) => step(`epoch ${epoch}`),
      end: () => step("end", resolve),
      endWhenQuiet: () => step("end when quiet"),
    });
    return { warmStart, ended };
  }
}
