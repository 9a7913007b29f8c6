import type { ContainerTree, GuestTree, ProcessTree } from "../../serve/protocol/guest-tree.ts";

const MIB = 1 << 20;

/** Returns a number between 0 and 1 that depends on the seeds alone. */
export function noise(...seeds: readonly number[]): number {
  let hash = 2166136261;
  for (const seed of seeds) hash = Math.imul(hash ^ seed, 16777619) ^ (hash >>> 13);
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32;
}

const IMAGES = ["nginx:1.27", "redis:7", "postgres:17", "node:24", "busybox:1.37"] as const;
const COMMANDS = [
  ["nginx", "-g", "daemon off;"],
  ["redis-server", "*:6379"],
  ["postgres"],
  ["node", "server.js"],
  ["sh", "-c", "while :; do date; sleep 1; done"],
] as const;
const NAMES = ["web", "cache", "database", "api", "worker"] as const;

/** Returns `count` guests with `each` containers at a moment; another moment has other numbers. */
export function sampleGuests(count: number, each: number, moment = 0): readonly GuestTree[] {
  return Array.from({ length: count }, (_, index) => sampleGuest(index, each, moment));
}

function sampleGuest(index: number, each: number, moment: number): GuestTree {
  const name = index === 0 ? "shop" : `guest-${String(index).padStart(2, "0")}`;
  const containers = Array.from({ length: each }, (_, which) => sampleContainer(index, which, moment));
  const isLost = index === 2;
  return {
    ...{ name, address: `hvsock:///run/user/1000/guestd/${name}/vm.vsock`, link: isLost ? "lost" : "live" },
    ...(isLost ? { reason: "connect ECONNREFUSED; trying again" } : {}),
    ...{ cpus: 2, agentRestarts: index === 0 ? 1 : 0 },
    agent: { cpu: 0.001, memory: 57 * MIB },
    usage: usage(index, 99, moment, 700 * MIB),
    forwards:
      index === 0 ? [{ id: "7f3a9c1b", sent: 8192 * noise(moment, 1), received: 65536 * noise(moment, 2) }] : [],
    record: {
      ...{ accelerator: "kvm", memoryMib: 1024, cpus: 2, bootedAt: "2026-11-28T18:00:00.000Z" },
      ...{ network: "user", isClone: index === 3, canFork: index !== 1 },
    },
    containers,
  };
}

function sampleContainer(guest: number, which: number, moment: number): ContainerTree {
  const kind = (guest + which) % NAMES.length;
  const id = `${NAMES[kind]}${which < NAMES.length ? "" : `-${which}`}`;
  const exited = guest === 1 && which === 1;
  const processes = exited ? [] : processesOf(guest, which, kind, moment);
  return {
    ...{ id, image: IMAGES[kind] ?? "busybox", state: exited ? "exited" : "running", ...(exited ? { code: 137 } : {}) },
    usage: exited ? { pressure: {} } : { ...usage(guest, which, moment, 64 * MIB), memoryLimit: 128 * MIB, pids: 4 },
    streams: {
      input: 0,
      output: Math.round(4096 * noise(guest, which, moment)),
      unacknowledged: which === 0 ? 512 : 0,
    },
    processes,
  };
}

function processesOf(guest: number, which: number, kind: number, moment: number): readonly ProcessTree[] {
  const first: ProcessTree = {
    ...{ exec: "", pid: 70 + which, state: "running", command: COMMANDS[kind] ?? ["sh"] },
    usage: { cpu: noise(guest, which, moment, 5), memory: 12 * MIB, pressure: {} },
    streams: {},
  };
  if (guest !== 0 || which !== 0) return [first];
  const shell: ProcessTree = {
    ...{ exec: "x-3fa94c1b", pid: 130, state: "running", command: ["sh"], clients: 1 },
    usage: { cpu: 0, memory: 1.2 * MIB, pressure: {} },
    streams: { input: 12, output: 4096, unacknowledged: 512 },
  };
  return [first, shell];
}

function usage(guest: number, which: number, moment: number, memory: number) {
  const at = (what: number) => noise(guest, which, moment, what);
  return {
    ...{ cpu: at(1) ** 3 * 1.6, memory: Math.round(memory * (0.5 + at(2) / 2)) },
    ...{ read: Math.round(at(3) ** 4 * 8 * MIB), written: Math.round(at(4) ** 4 * 2 * MIB) },
    ...{ received: Math.round(at(5) ** 3 * 100_000), sent: Math.round(at(6) ** 3 * 400_000) },
    pressure: { cpu: at(7) ** 4, memory: at(8) ** 9, io: at(9) ** 5 },
  };
}
