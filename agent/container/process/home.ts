/**
 * The environment, each name once, with HOME: as given, else from the text of an /etc/passwd, else "/". Of several entries
 * with a name the last one counts, in the place of the first, as with runc and crun; getenv would find the first.
 */
export async function withHome(
  env: readonly string[],
  uid: number,
  passwd: () => Promise<string | undefined>,
): Promise<readonly string[]> {
  const entries = new Map<string, string>();
  for (const entry of env) entries.set(nameOf(entry), entry);
  const home = entries.get("HOME=") ?? "HOME=";
  if (home === "HOME=") entries.set("HOME=", `HOME=${homeOf((await passwd()) ?? "", uid) ?? "/"}`);
  return [...entries.values()];
}

/** With its "=", so that an entry that has none is not the same. */
function nameOf(entry: string): string {
  return entry.slice(0, entry.indexOf("=") + 1) || entry;
}

/** By one pass over the text: a container may have made it a million lines, or one line of a million colons. */
function homeOf(passwd: string, uid: number): string | undefined {
  const wanted = String(uid);
  for (const [, id, home] of passwd.matchAll(ENTRY)) if (id === wanted) return home;
  return undefined;
}

/** Third and sixth field of a line. */
const ENTRY = /^[^:\n]*:[^:\n]*:([^:\n]*):[^:\n]*:[^:\n]*:(\/[^:\n]*)/gm;
