import type { ContainerTree, ProcessTree } from "../guest-tree.ts";
import type { GuestNode } from "../view-tree.ts";

/** Returns a process with defaults. */
function processNode(parts: Partial<ProcessTree> = {}): ProcessTree {
  return { exec: "", pid: 1, state: "running", usage: { pressure: {} }, streams: {}, ...parts };
}

/** Returns a container with defaults. */
export function containerNode(id: string, parts: Partial<ContainerTree> = {}): ContainerTree {
  return { id, state: "running", usage: { pressure: {} }, streams: {}, processes: [processNode()], ...parts };
}

/** Returns a guest with defaults. */
export function guestNode(
  name: string,
  containers: readonly ContainerTree[],
  parts: Partial<GuestNode> = {},
): GuestNode {
  return {
    ...{ name, address: `unix:///${name}`, link: "live", cpus: 1, agentRestarts: 0, agent: {} },
    usage: { pressure: {} },
    containers,
    forwards: [],
    events: [],
    ...parts,
  };
}

const MIB = 1 << 20;

/** Two guests: one with a busy and an idle container, one whose agent is away. */
export const SAMPLE: readonly GuestNode[] = [
  guestNode(
    "alpha",
    [
      containerNode("cache", { usage: { cpu: 0.9, memory: 5 * MIB, pressure: {} }, state: "exited", code: 137 }),
      containerNode("web", {
        image: "nginx:1.27",
        usage: {
          cpu: 0.5,
          memory: 64 * MIB,
          memoryLimit: 128 * MIB,
          read: 2048,
          written: 10,
          pressure: { memory: 0.25 },
        },
        streams: { input: 1, output: 4096, unacknowledged: 100 },
        processes: [
          processNode({ pid: 12, command: ["nginx", "-g", "daemon off;"] }),
          processNode({ exec: "x-backup", pid: 30, command: ["tar", "c", "/data"] }),
        ],
      }),
    ],
    { usage: { cpu: 1.4, memory: 300 * MIB, pressure: { cpu: 0.1 } }, agentRestarts: 1 },
  ),
  guestNode("beta", [], { link: "lost", reason: "connect ECONNREFUSED" }),
];
