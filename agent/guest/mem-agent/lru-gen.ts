/** Page counts of one generation. They may be off by a few, because the kernel counts in batches. */
interface Generation {
  readonly seq: number;
  /** Time since the generation was created. */
  readonly ageMs: number;
  readonly anon: number;
  readonly file: number;
}

/** A cgroup's memory on one NUMA node, by generation, oldest first. */
export interface MemcgNode {
  readonly memcg: number;
  /** The cgroup's path below the root cgroup. */
  readonly path: string;
  readonly node: number;
  readonly generations: readonly Generation[];
}

const MEMCG = /^memcg +(\d+) (\/.*)$/;
const NODE = /^ node +(\d+)$/;
const GENERATION = /^ +(\d+) +(\d+) +(-?\d+)[ x] +(-?\d+)[ x]?$/;

/** Parses the debug file lru_gen of a kernel with MGLRU. Ignores lines in any other form. */
export function parseLruGen(text: string): MemcgNode[] {
  const all: (MemcgNode & { readonly generations: Generation[] })[] = [];
  let memcg = { memcg: 0, path: "" };
  for (const line of text.split("\n")) {
    const [, id, path] = MEMCG.exec(line) ?? [];
    const [, node] = NODE.exec(line) ?? [];
    const [, seq, ageMs, anon, file] = GENERATION.exec(line) ?? [];
    if (path !== undefined) memcg = { memcg: Number(id), path };
    else if (node !== undefined) all.push({ ...memcg, node: Number(node), generations: [] });
    else if (file !== undefined) {
      const pages = (count: string | undefined) => Math.max(0, Number(count));
      all.at(-1)?.generations.push({ seq: Number(seq), ageMs: Number(ageMs), anon: pages(anon), file: pages(file) });
    }
  }
  // An id of 0 marks a cgroup that the kernel has already released.
  return all.filter((one) => one.memcg !== 0 && one.generations.length > 0);
}

/** Makes the kernel create a new generation and look for pages used since the last one. */
export function agingCommand({ memcg, node, generations }: MemcgNode, canSwap: boolean): string {
  return `+ ${memcg} ${node} ${generations.at(-1)?.seq ?? 0} ${canSwap ? 1 : 0} 1`;
}

/** Makes the kernel reclaim up to `pages` pages of a generation and of older ones. */
export function evictionCommand({ memcg, node }: MemcgNode, { seq, swappiness }: Eviction, pages: number): string {
  return `- ${memcg} ${node} ${seq} ${swappiness} ${pages}`;
}

export interface Eviction {
  readonly seq: number;
  readonly swappiness: number;
}
