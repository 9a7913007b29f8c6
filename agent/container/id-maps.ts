import { readFileSync } from "node:fs";

/** The overflow id, which a user namespace shows for ids that it doesn't map. */
const NOBODY = 65_534;

interface IdMap {
  /** Returns the id in the guest of an id in the container. */
  fromContainer(id: number): number;
  /** Returns the id in the container of an id in the guest. */
  toContainer(id: number): number;
}

/** Returns how a process's user namespace maps ids. */
export function idMaps(pid: number | "self"): { readonly uid: IdMap; readonly gid: IdMap } {
  return { uid: readMap(`/proc/${pid}/uid_map`), gid: readMap(`/proc/${pid}/gid_map`) };
}

function readMap(path: string): IdMap {
  // Relative to the agent's own namespace. At most 340 lines.
  const lines = readFileSync(path, "latin1").trim().split("\n");
  const ranges = lines.map((line) => {
    const [inside = 0, outside = 0, count = 0] = line.trim().split(/\s+/).map(Number);
    return { inside, outside, count };
  });
  const map = (id: number, from: "inside" | "outside", to: "inside" | "outside") => {
    const range = ranges.find((each) => id >= each[from] && id < each[from] + each.count);
    return range === undefined ? NOBODY : id - range[from] + range[to];
  };
  return { fromContainer: (id) => map(id, "inside", "outside"), toContainer: (id) => map(id, "outside", "inside") };
}
