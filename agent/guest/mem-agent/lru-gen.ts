/** Pages of one generation; they may be a few more or less, as the kernel counts in batches. */
interface Generation {
  readonly seq: number;
  /** Since it was made. */
  readonly ageMs: number;
  readonly anon: number;
  readonly file: number;
}

/** What a cgroup has on a node, by generations, the oldest first. */
export interface MemcgNode {
  readonly memcg: number;
  /** Of the cgroup, from the root of all. */
  readonly path: string;
  readonly node: number;
  readonly generations: readonly Generation[];
}

const MEMCG = /^memcg +(\d+) (\/.*)$/;
const NODE = /^ node +(\d+)$/;
const GENERATION = /^ +(\d+) +(\d+) +(-?\d+)[ x] +(-?\d+)[ x]?$/;

/** The debug file lru_gen of a kernel with MGLRU. Lines that say something else are passed over. */
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
  // Without an id the kernel has let go of it.
  return all.filter((one) => one.memcg !== 0 && one.generations.length > 0);
}

/** Has the kernel make a new generation, and look for what was used since the last one was made. */
export function agingCommand({ memcg, node, generations }: MemcgNode, canSwap: boolean): string {
  return `+ ${memcg} ${node} ${generations.at(-1)?.seq ?? 0} ${canSwap ? 1 : 0} 1`;
}

/** Has it take back so many pages of a generation and of those before it. */
export function evictionCommand({ memcg, node }: MemcgNode, { seq, swappiness }: Eviction, pages: number): string {
  return `- ${memcg} ${node} ${seq} ${swappiness} ${pages}`;
}

export interface Eviction {
  readonly seq: number;
  readonly swappiness: number;
}
