import { AgentError } from "../../kernel/error.ts";
import type { ContainedFiles, FileRoot } from "../../kernel/files/contained-files.ts";
import { readTextInside } from "../files-in-root.ts";
import type { ProcessSpec } from "../spec.ts";

/** A user and groups by name or decimal number, from an image; "" is not set. */
export interface NamedUser {
  readonly uid: string;
  readonly gid: string;
  readonly additionalGids: readonly string[];
}

type User = ProcessSpec["user"];

const MAX_ID = 0xffff_fffe;

/**
 * Resolves a named user by /etc/passwd and /etc/group below `root`. The default group of a
 * user name is the one in its passwd entry. Numbers in the spec take precedence.
 */
export async function resolveUser(
  contained: ContainedFiles,
  root: FileRoot,
  user: User,
  named: NamedUser | undefined,
  signal?: AbortSignal,
): Promise<User> {
  const isGiven = user.uid !== 0 || user.gid !== 0 || user.additionalGids.length > 0;
  if (named === undefined || isGiven) return user;
  const text = async (path: string) => (await readTextInside(contained, root, path, signal)) ?? "";
  const passwd = await entryOf("user", named.uid, () => text("/etc/passwd"));
  let groups: Promise<string> | undefined;
  const group = async (name: string) => (await entryOf("group", name, () => (groups ??= text("/etc/group"))))?.[0];
  const [uid = 0, ownGid = 0] = passwd ?? [];
  return {
    ...user,
    uid,
    gid: (await group(named.gid)) ?? ownGid,
    additionalGids: await Promise.all(named.additionalGids.map(async (name) => (await group(name)) ?? 0)),
  };
}

/** Returns the numbers of the name's line, from the third field on; undefined for "". */
async function entryOf(
  what: "user" | "group",
  name: string,
  text: () => Promise<string>,
): Promise<number[] | undefined> {
  if (name === "") return undefined;
  if (/^\d+$/.test(name)) return [idOf(what, name, Number(name))];
  const line = lineOf(await text(), name);
  const file = what === "user" ? "/etc/passwd" : "/etc/group";
  if (line === undefined) throw refuse(what, name, `is not in the container's ${file}`);
  const [, , number = "", ...more] = line.split(":", what === "user" ? 4 : 3);
  return [number, ...more].map((text) => idOf(what, name, /^\d+$/.test(text) ? Number(text) : Number.NaN));
}

/**
 * Returns the first line of that name. Searches the text without splitting it: an image's file may have a million
 * lines.
 */
function lineOf(text: string, name: string): string | undefined {
  if (/[:\n]/.test(name)) return undefined;
  const lines = `\n${text}\n`;
  const start = lines.indexOf(`\n${name}:`) + 1;
  return start === 0 ? undefined : lines.slice(start, lines.indexOf("\n", start));
}

function idOf(what: string, name: string, id: number): number {
  if (!(id <= MAX_ID)) throw refuse(what, name, "has no valid number");
  return id;
}

function refuse(what: string, name: string, why: string): AgentError {
  return new AgentError("invalid-argument", `${what} ${JSON.stringify(name.slice(0, 80))} ${why}`);
}
