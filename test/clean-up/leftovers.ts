/** Traces that a test file could leave to the next one in its process. */
interface Traces {
  /** Listeners of each of the process's events. */
  readonly listeners: ReadonlyMap<string, number>;
  /** Open timers, servers and watches that keep the process running. */
  readonly resources: ReadonlyMap<string, number>;
  /** The environment, the folder and the umask. */
  readonly settings: ReadonlyMap<string, string>;
}

/** Resources that a test ends by itself. A connection also ends by its other end, which may be elsewhere. */
const KINDS: readonly string[] = ["Timeout", "TCPServerWrap", "FSEventWrap", "StatWatcher"];

/** Returns what there is now. */
export function traces(): Traces {
  const environment = Object.entries(process.env).map(([name, value]) => [`$${name}`, value ?? ""] as const);
  return {
    listeners: new Map(process.eventNames().map((name) => [String(name), process.listenerCount(name)])),
    resources: countOf(process.getActiveResourcesInfo().filter((kind) => KINDS.includes(kind))),
    settings: new Map([...environment, ["folder", process.cwd()], ["umask", process.umask().toString(8)]]),
  };
}

/** Returns a line for everything that there is more of than before, and for each changed setting. */
export function leftovers(before: Traces, after: Traces): string[] {
  const names = new Set([...before.settings.keys(), ...after.settings.keys()]);
  const changed = [...names].filter((name) => before.settings.get(name) !== after.settings.get(name));
  return [
    ...more("listener of the process", before.listeners, after.listeners),
    ...more("open", before.resources, after.resources),
    ...changed.map((name) => `${name}: ${after.settings.get(name)}, was ${before.settings.get(name)}`),
  ];
}

function more(what: string, before: ReadonlyMap<string, number>, after: ReadonlyMap<string, number>): string[] {
  return [...after]
    .filter(([name, count]) => count > (before.get(name) ?? 0))
    .map(([name, count]) => `${what}: ${count} ${name}, had ${before.get(name) ?? 0}`);
}

function countOf(names: readonly string[]): ReadonlyMap<string, number> {
  return new Map([...new Set(names)].map((name) => [name, names.filter((one) => one === name).length]));
}
