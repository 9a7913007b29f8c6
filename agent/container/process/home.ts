/**
 * Returns the environment with each name once, and with HOME: as given, otherwise from an /etc/passwd, otherwise "/".
 * If a name is repeated the last entry wins, in the place of the first, as with runc and crun; getenv would find the
 * first.
 */
export async function withHome(
  env: readonly string[],
  uid: number,
  passwd: () => Promise<string | undefined>,
): Promise<readonly string[]> {
  const entries = new Map<string, string>();
  for (const entry of env) entries.set(nameOf(entry), entry);
  if (!hasHome(env)) entries.set("HOME=", `HOME=${homeOf((await passwd()) ?? "", uid) ?? "/"}`);
  return [...entries.values()];
}

/** True if an environment sets HOME, so that no passwd is read. */
export function hasHome(env: readonly string[]): boolean {
  return (env.findLast((entry) => entry.startsWith("HOME=")) ?? "HOME=") !== "HOME=";
}

/** Returns an entry's name with its "=", to tell it from an entry without "=". */
function nameOf(entry: string): string {
  return entry.slice(0, entry.indexOf("=") + 1) || entry;
}

/** Searches in one pass: the container's file may have a million lines, or a line with a million colons. */
function homeOf(passwd: string, uid: number): string | undefined {
  const wanted = String(uid);
  for (const [, id, home] of passwd.matchAll(ENTRY)) if (id === wanted) return home;
  return undefined;
}

/** Captures the third and sixth field of a line. */
const ENTRY = /^[^:\n]*:[^:\n]*:([^:\n]*):[^:\n]*:[^:\n]*:(\/[^:\n]*)/gm;
