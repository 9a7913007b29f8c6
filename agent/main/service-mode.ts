import { statSync, unlinkSync } from "node:fs";
import { createConnection } from "node:net";
import { AgentError, SystemError } from "../kernel/error.ts";
import type { Files } from "../kernel/files.ts";
import type { Fd, Init } from "../kernel/kernel.ts";
import { startListening } from "../kernel/sys/listeners.ts";
import { bindTo, isKept } from "./listen.ts";

const EADDRINUSE = 98;

/** State of an earlier run that is of no use to a service's first agent, which discards containers and sandbox separately. */
const STATE_OF_ONE_RUN = [
  "journal",
  "streams",
  "spools",
  "forwards",
  "events",
  "copies.json",
  "policy.rego",
  "policy-data.json",
  "agent",
  "upload",
  "mem-agent.json",
  "warm-start.json",
  "epoch",
];

/** True if the agent's init is an ordinary process of a system with an init of its own, which only the parent's pid shows. */
export function isService(): boolean {
  return process.ppid !== 1;
}

/** Removes the state of a service's last run. A guest's /run is new at each boot; a service's is not. */
export function forgetLastRun(files: Files, stateDirectory: string): void {
  for (const name of STATE_OF_ONE_RUN) files.removeTree(`${stateDirectory}/${name}`);
}

/**
 * Takes the addresses that init doesn't already keep for this service, and removes stale unix sockets. Clients that connect from
 * then on wait until the agent is loaded. Rejects if another process serves on one of them, before removing anything.
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
    return startListening(bindTo(address));
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

/** Resolves with the error code of connecting, undefined on success. Only connecting reveals a listener, as the path outlives it. */
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

/** Usual mount points of cgroup v2; the second one on systems that have v1, too. */
const USUAL_CGROUPS = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"] as const;

/** Returns the mount point of cgroup v2: the system's own if it exists, otherwise any other. */
export function cgroupRoot(files: Pick<Files, "readText">): string {
  const types = new Map<string, string>(); // the last mount on a directory hides the others
  for (const line of files.readText("/proc/self/mounts").split("\n")) {
    const [, place = "", type = ""] = line.split(" ");
    types.set(place, type);
  }
  const mounted = [...USUAL_CGROUPS, ...types.keys()].find((place) => types.get(place) === "cgroup2");
  return mounted ?? USUAL_CGROUPS[0];
}
