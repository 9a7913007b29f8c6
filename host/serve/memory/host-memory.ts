import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { namesIn } from "../../../lib/names-in.ts";
import type { Target } from "../../engine/guest/guest-target.ts";
import { OperationError } from "../../operation-error.ts";
import { checkPrivateFolder } from "../../private-folder.ts";
import type { MemoryPart } from "../protocol/requests.ts";

const KIB = 1024;
/** File with QEMU's pid in a guest's folder. */
const QEMU = "qemu.pid";

/** Returns what the guest takes of the host's memory: proportional shares (PSS) of its QEMU by kind, and its other programs. */
export async function hostMemory({ guest }: Target): Promise<readonly MemoryPart[]> {
  if (guest === undefined) throw new OperationError("the host's memory: the guest isn't one of guestctl");
  const folder = guest.control === undefined ? undefined : checkPrivateFolder(dirname(guest.control));
  const files = folder === undefined ? [] : namesIn(folder).filter((name) => name.endsWith(".pid"));
  if (folder === undefined || !files.includes(QEMU))
    throw new OperationError(`the host's memory: guest ${guest.name} has no QEMU here`);
  const pidIn = async (file: string) => Number(await readFile(join(folder, file), "utf8"));
  const others = await Promise.all(files.filter((file) => file !== QEMU).map(async (file) => pssOf(await pidIn(file))));
  const parts = partsOf(await readFile(`/proc/${await pidIn(QEMU)}/smaps`, "utf8"));
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

async function pssOf(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/smaps_rollup`, "utf8").catch(() => "");
  return Number(/^Pss:\s+(\d+) kB$/m.exec(text)?.[1] ?? 0) * KIB;
}
