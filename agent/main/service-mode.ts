import { statSync, unlinkSync } from "node:fs";
import { createConnection } from "node:net";
import { AgentError, SystemError } from "../kernel/error.ts";
import type { Files } from "../kernel/files.ts";
import type { Fd, Init } from "../kernel/kernel.ts";
import { bindTo, isKept } from "./listen.ts";

const EADDRINUSE = 98;

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
 * Binds the addresses that init doesn't keep for this service already: what a dead listener left at a unix socket's path is
 * removed. Rejects if another process serves on one, before anything is removed.
 */
export async function claimAddresses(init: Init, addresses: readonly string[]): Promise<ReadonlyMap<string, Fd>> {
  const wanted = addresses.filter((address) => !isKept(init, address));
  const unix = wanted.filter((address) => address.startsWith("unix://"));
  for (const address of unix) {
    const code = await connectionError(socketName(address).replace(/^@/, "\0"));
    if (code !== "ECONNREFUSED" && code !== "ENOENT") throw taken(address, code);
  }
  for (const path of unix.map(socketName)) {
    if (path.startsWith("/") && statSync(path, { throwIfNoEntry: false })?.isSocket()) unlinkSync(path);
  }
  return new Map(wanted.map((address) => [address, claim(address)]));
}

function claim(address: string): Fd {
  try {
    return bindTo(address);
  } catch (error) {
    if (error instanceof SystemError && error.errno === EADDRINUSE) throw taken(address, "EADDRINUSE");
    throw error;
  }
}

function taken(address: string, code: string | undefined): AgentError {
  const reason = `another process serves there${code === undefined ? "" : ` (${code})`}`;
  return new AgentError("already-exists", `listen on ${address}: ${reason}; end it, or set another server address`);
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
