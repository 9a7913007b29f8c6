import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Init } from "../../proto/codec.ts";
import type { grpc } from "../../proto/gen/messages.js";
import type { Machine } from "../scenarios/machine.ts";
import { Pod } from "../scenarios/pod.ts";
import { Keepers } from "./keepers.ts";
import { type Observation, parseObservation } from "./observation.ts";
import { makeRootfs, makeSources, SHIFTED } from "./rootfs-tree.ts";

/**
 * A spec whose paths hold words that each run fills in: ROOTFS, SOURCES (directories), KEEPER (a process in namespaces of
 * its own, /proc/KEEPER/ns), and CGROUP (a name that no other container has).
 */
export type SpecTemplate = Init<grpc.Spec>;

/** "": guestd itself. */
export type RuntimeName = "" | "crun" | "runc";

export interface Observed {
  readonly seen: Observation;
  /** Why there was no container; then nothing is seen. */
  readonly refused?: string;
}

let count = 0;

/** Has containers made by guestd and by others, with the probe in them, on one machine. */
export class Observer implements AsyncDisposable {
  readonly #pod: Pod;
  readonly #base: string;
  /** As mountinfo has it, which does not know where a file system is mounted. */
  readonly #baseInShare: string;
  readonly #names: ReadonlyMap<string, string>;
  readonly #keepers: Keepers;

  private constructor(pod: Pod, base: string, names: ReadonlyMap<string, string>) {
    this.#pod = pod;
    this.#base = base;
    const share = pod.machine.storages.find(({ mount_point }) => base.startsWith(mount_point));
    this.#baseInShare = share === undefined ? base : base.slice(share.mount_point.length - 1);
    this.#names = names;
    this.#keepers = new Keepers(pod.machine);
  }

  static async open(machine: Machine): Promise<Observer> {
    const pod = await Pod.open(machine);
    const base = machine.rootfs(`differential-${++count}`);
    makeSources(join(machine.hostPath(base), "sources"));
    const lines = [
      // The root of a container with a user namespace has to come through.
      `chmod 755 $(dirname ${base}) ${base}`,
      // Where hosts share directories without devices: runtimes differ in what a bind keeps of that.
      `mount --bind ${base} ${base} && mount -o remount,bind,dev ${base}`,
      `mount -t tmpfs -o mode=755,nodev sub ${base}/sources/nested/sub`,
      "for n in cgroup ipc mnt net pid time user uts; do echo the-guest $(readlink /proc/1/ns/$n); done",
      "for n in ipc uts; do echo the-pod $n:[$(stat -L -c %i /run/sandbox-ns/$n)]; done",
    ];
    const names = (await machine.shell(lines.join("; "))).trim().split("\n");
    return new Observer(pod, base, new Map(names.map((line) => line.split(" ").reverse() as [string, string])));
  }

  /** What the probe sees in a container of that spec, as its first process or as an exec, while the first one waits. */
  async observe(template: SpecTemplate, runtime: RuntimeName, exec?: Init<grpc.Process>): Promise<Observed> {
    const id = `diff-${runtime}-${++count}`;
    const rootfs = `${this.#base}/${id}`;
    const host = this.#pod.machine.hostPath(rootfs);
    const shifted = template.Linux?.Namespaces?.some(({ Type }) => Type === "user") === true;
    makeRootfs(host, shifted ? SHIFTED : 0);
    const keeper = JSON.stringify(template).includes("KEEPER") ? await this.#keepers.take() : undefined;
    const words = { ROOTFS: rootfs, SOURCES: `${this.#base}/sources`, KEEPER: String(keeper?.pid), CGROUP: id };
    const spec = forRuntime(fill(template, words), runtime);
    const plain = (text: string) =>
      text
        .replaceAll(new RegExp(`/run/(kata-containers|guestd/bundles)/${id}`, "g"), "BUNDLE")
        .replaceAll(id, "ID")
        .replaceAll(this.#base, "BASE")
        .replaceAll(this.#baseInShare, "BASE")
        .replaceAll(`"guestd.runtime":"${runtime}"`, "");
    const output = await this.#run(id, exec === undefined ? spec : waiting(spec), exec);
    if (keeper !== undefined) this.#keepers.release(keeper);
    if (output instanceof Error) return { seen: new Map(), refused: plain(output.message) };
    const logs = existsSync(`${host}/log`) ? readdirSync(`${host}/log`) : [];
    const text = [output, ...logs.map((name) => readFileSync(join(host, "log", name), "utf8"))].join("\n");
    const seen = parseObservation(plain(text), new Map([...this.#names, ...(keeper?.names ?? [])]));
    if (seen.has("end")) return { seen };
    return { seen: new Map(), refused: `the probe has not come to its end; it wrote ${JSON.stringify(plain(output))}` };
  }

  /** Output and end of the container or of the exec, or why there is none. */
  async #run(id: string, spec: Init<grpc.Spec>, exec?: Init<grpc.Process>): Promise<string | Error> {
    const { agent } = this.#pod.client;
    const exec_id = exec === undefined ? id : "exec";
    try {
      await agent.createContainer({ container_id: id, exec_id: id, OCI: spec });
    } catch (error) {
      return error as Error;
    }
    try {
      await agent.startContainer({ container_id: id });
      if (exec !== undefined) await agent.execProcess({ container_id: id, exec_id, process: exec });
      // Of a terminal there is one stream.
      const stdout = await this.#pod.drain("readStdout", id, exec_id);
      const { status } = await agent.waitProcess({ container_id: id, exec_id });
      return `${stdout}\nexit\t\t${status}`;
    } catch (error) {
      return error as Error;
    } finally {
      await this.#pod.remove(id);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pod.client.close();
  }
}

/** Its process does nothing until it is killed, and has no terminal that nobody would read. */
function waiting(spec: Init<grpc.Spec>): Init<grpc.Spec> {
  const { ConsoleSize: _, ...process } = spec.Process ?? {};
  return { ...spec, Process: { ...process, Args: ["/probe", "stay"], Terminal: false } };
}

function forRuntime(spec: Init<grpc.Spec>, runtime: RuntimeName): Init<grpc.Spec> {
  return runtime === "" ? spec : { ...spec, Annotations: { ...spec.Annotations, "guestd.runtime": runtime } };
}

/** The value with the words replaced in every text. */
function fill<T>(value: T, words: Readonly<Record<string, string>>): T {
  if (typeof value === "string") {
    return Object.entries(words).reduce((text: string, [word, its]) => text.replaceAll(word, its), value) as T;
  }
  if (Array.isArray(value)) return value.map((each) => fill(each, words)) as T;
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [fill(key, words), fill(each, words)])) as T;
}
