import { statSync, unlinkSync } from "node:fs";
import { createConnection } from "node:net";
import { AgentError } from "../kernel/error.ts";
import type { Files } from "../kernel/files.ts";
import type { Init } from "../kernel/kernel.ts";
import { isKept } from "./listen.ts";

/** What of an agent before is of no use to the first agent of a service; containers and sandbox it takes away itself. */
const OF_ONE_LIFE = ["journal", "policy.rego", "policy-data.json", "agent", "upload", "mem-agent.json"];

/** Init is a process among others, on a system that has its own: nothing but this agent's parent tells. */
export function isService(): boolean {
  return process.ppid !== 1;
}

/** A guest's /run is new at each boot; a service finds there what its last life left. */
export function forgetLastLife(files: Files, stateDirectory: string): void {
  for (const name of OF_ONE_LIFE) files.removeTree(`${stateDirectory}/${name}`);
}

/**
 * Makes unix sockets free to listen on, except those that init keeps for this service: removes what a dead listener left.
 * Rejects if another process serves on one, before anything is removed.
 */
export async function claimSockets(init: Init, addresses: readonly string[]): Promise<void> {
  const wanted = addresses.filter((address) => address.startsWith("unix://") && !isKept(init, address));
  for (const address of wanted) {
    const code = await connectionError(socketName(address).replace(/^@/, "\0"));
    if (code === "ECONNREFUSED" || code === "ENOENT") continue;
    const reason = `another process serves there${code === undefined ? "" : ` (${code})`}`;
    throw new AgentError("already-exists", `listen on ${address}: ${reason}; end it, or set another server address`);
  }
  for (const path of wanted.map(socketName)) {
    if (path.startsWith("/") && statSync(path, { throwIfNoEntry: false })?.isSocket()) unlinkSync(path);
  }
}

function socketName(address: string): string {
  return address.slice("unix://".length);
}

/** Code of the error; undefined for a connection, which is closed. Only a connection shows a listener: its path outlives it. */
function connectionError(path: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = createConnection(path);
    socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    socket.once("connect", () => {
      socket.destroy();
      resolve(undefined);
    });
  });
}

/** Where a system has its cgroup v2; the second where it has v1 as well. */
const USUAL_CGROUPS = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"] as const;

/** Where cgroup v2 is mounted: the system's own mount, not one that a program made elsewhere, if there is one. */
export function cgroupRoot(files: Pick<Files, "readText">): string {
  const types = new Map<string, string>(); // of what was mounted last, and is seen
  for (const line of files.readText("/proc/self/mounts").split("\n")) {
    const [, place = "", type = ""] = line.split(" ");
    types.set(place, type);
  }
  const mounted = [...USUAL_CGROUPS, ...types.keys()].find((place) => types.get(place) === "cgroup2");
  return mounted ?? USUAL_CGROUPS[0];
}
