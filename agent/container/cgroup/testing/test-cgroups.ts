import { accessSync, constants, readFileSync } from "node:fs";
import type { Files } from "../../../kernel/files.ts";

const failure = (code: string, errno: number) => Object.assign(new Error(code), { code, errno: -errno });

/** In-memory cgroup2 file system with the refusals that matter, for tests. */
export class FakeCgroups {
  readonly texts = new Map<string, string>();
  readonly log: string[] = [];
  readonly refused = new Map<string, { code: string; errno: number }>();
  /** Number of removals for which a directory stays busy. */
  readonly busy = new Map<string, number>();

  constructor(controllers: string) {
    this.#directory("/cg", controllers);
  }

  get directories(): string[] {
    return [...this.texts.keys()].filter((p) => p.endsWith("/cgroup.procs")).map((p) => p.slice(0, -13));
  }

  #directory(path: string, controllers: string): void {
    const files: Record<string, string> = {
      "cgroup.procs": "",
      "cgroup.controllers": controllers,
      "cgroup.subtree_control": "",
      "cgroup.events": "populated 0\nfrozen 0\n",
      "cgroup.kill": "",
      "cgroup.freeze": "0",
      "cgroup.max.descendants": "max",
    };
    for (const name of controllers.split(" ")) {
      if (name === "memory") Object.assign(files, { "memory.max": "max", "memory.low": "0", "memory.min": "0" });
      if (name === "pids") files["pids.max"] = "max";
      if (name === "cpu") Object.assign(files, { "cpu.weight": "100", "cpu.max": "max 100000" });
    }
    for (const [name, text] of Object.entries(files)) this.texts.set(`${path}/${name}`, text);
  }

  readonly files = {
    readText: (path: string) => {
      const text = this.texts.get(path);
      if (text === undefined) throw failure("ENOENT", 2);
      return text;
    },
    writeText: (path: string, value: string) => {
      this.log.push(`${path} ${value}`);
      const refusal = this.refused.get(`${path} ${value}`) ?? this.refused.get(path);
      if (refusal !== undefined) throw failure(refusal.code, refusal.errno);
      if (!this.texts.has(path)) throw failure("ENOENT", 2);
      if (path.endsWith("subtree_control")) {
        const names = value.split(" ").map((word) => word.slice(1));
        this.texts.set(path, [this.texts.get(path), ...names].join(" ").trim());
      } else this.texts.set(path, value);
    },
    exists: (path: string) => this.texts.has(path) || this.directories.includes(path),
    list: (path: string) => {
      if (!this.directories.includes(path)) throw failure("ENOENT", 2);
      const below = [...this.texts.keys()].filter((p) => p.startsWith(`${path}/`)).map((p) => p.slice(path.length + 1));
      return [...new Set(below.map((p) => p.split("/")[0] ?? ""))];
    },
    makeDirectory: (path: string) => {
      this.log.push(`mkdir ${path}`);
      const refusal = this.refused.get(path);
      if (refusal !== undefined) throw failure(refusal.code, refusal.errno);
      this.#directory(path, this.texts.get(`${path.slice(0, path.lastIndexOf("/"))}/cgroup.subtree_control`) ?? "");
    },
    removeDirectory: (path: string) => {
      this.log.push(`rmdir ${path}`);
      if (!this.directories.includes(path)) throw failure("ENOENT", 2);
      const left = this.busy.get(path) ?? 0;
      if (left > 0 || this.directories.some((p) => p.startsWith(`${path}/`))) {
        this.busy.set(path, left - 1);
        throw failure("EBUSY", 16);
      }
      for (const name of [...this.texts.keys()].filter((p) => p.startsWith(`${path}/`))) this.texts.delete(name);
    },
  } as unknown as Files;
}

/** Mount point of a cgroup2 on this machine that this user may write to. */
export function writableCgroupRoot(): string | undefined {
  const line = readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .find((text) => text.includes(" - cgroup2 "));
  const root = line?.split(" ")[4];
  try {
    accessSync(`${root}/cgroup.procs`, constants.W_OK);
    return root;
  } catch {
    return undefined;
  }
}
