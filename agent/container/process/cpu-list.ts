/** More than any kernel is built for. */
const MAX_CPU = 8191;

/** Numbers of processors from a list as in "0-3,7"; undefined when it is none. An empty text is an empty list. */
export function parseCpuList(text: string): readonly number[] | undefined {
  const cpus = new Set<number>();
  for (const part of text.split(",")) {
    if (part.trim() === "") continue;
    const [, from = "", to = from] = /^\s*(\d{1,5})(?:-(\d{1,5}))?\s*$/.exec(part) ?? [];
    const [first, last] = [Number(from), Number(to)];
    if (from === "" || first > last || last > MAX_CPU) return undefined;
    for (let cpu = first; cpu <= last; cpu++) cpus.add(cpu);
  }
  return [...cpus].sort((a, b) => a - b);
}
