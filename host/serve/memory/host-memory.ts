import { readFile } from "node:fs/promises";
import type { Target } from "../../guests/guest-target.ts";
import { OperationError } from "../../operation-error.ts";
import type { StateStore } from "../../state/state-store.ts";
import type { MemoryPart } from "../protocol/requests.ts";

const KIB = 1024;

/** Returns what the guest takes of the host's memory: proportional shares (PSS) of its QEMU by kind, and its other programs. */
export async function hostMemory(store: StateStore, { guest }: Target): Promise<readonly MemoryPart[]> {
  if (guest === undefined) throw new OperationError("the host's memory: the guest isn't one of guestctl");
  const keeper = store.owner(guest.name)?.pid;
  const children = keeper === undefined ? [] : await childrenOf(keeper);
  const qemu = children.find(({ name }) => name.startsWith("qemu"));
  if (qemu === undefined) throw new OperationError(`the host's memory: guest ${guest.name} has no QEMU here`);
  const others = await Promise.all(children.filter((each) => each !== qemu).map(({ pid }) => pssOf(pid)));
  const parts = partsOf(await readFile(`/proc/${qemu.pid}/smaps`, "utf8"));
  return [...parts, { kind: "programs for its devices", bytes: others.reduce((all, bytes) => all + bytes, 0) }];
}

/** Divides the mappings of a QEMU by what they map. */
export function partsOf(smaps: string): readonly MemoryPart[] {
  const kinds = {
    "guest's memory": 0,
    "image, shared between guests": 0,
    "template, shared between clones": 0,
    QEMU: 0,
  };
  for (const mapping of smaps.split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m)) {
    const name = mapping.slice(0, mapping.indexOf("\n"));
    kinds[kindOf(name)] += Number(/^Pss:\s+(\d+) kB$/m.exec(mapping)?.[1] ?? 0) * KIB;
  }
  return Object.entries(kinds).map(([kind, bytes]) => ({ kind, bytes }));
}

function kindOf(mapping: string) {
  if (mapping.includes("memfd:")) return "guest's memory";
  if (/\/templates\/.*\/memory$/.test(mapping)) return "template, shared between clones";
  return /\/[^/]*\.(img|erofs|ext4|raw)$/.test(mapping) ? "image, shared between guests" : "QEMU";
}

async function childrenOf(pid: number): Promise<readonly { readonly pid: number; readonly name: string }[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8");
  const pids = text.split(" ").filter((each) => each !== "");
  return Promise.all(
    pids.map(async (each) => ({ pid: Number(each), name: (await readFile(`/proc/${each}/comm`, "utf8")).trim() })),
  );
}

async function pssOf(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/smaps_rollup`, "utf8").catch(() => "");
  return Number(/^Pss:\s+(\d+) kB$/m.exec(text)?.[1] ?? 0) * KIB;
}
