import { AgentError } from "../../kernel/error.ts";
import type { CdiEdits } from "./cdi-file.ts";
import type { CdiName } from "./cdi-name.ts";
import type { FoundFile, FoundFiles } from "./read-cdi-files.ts";

/** Most names in a line. */
const MAX_SHOWN = 20;

/** What is changed for each device, in order, or why it can't be said yet. */
export type Choice =
  | { readonly edits: readonly { readonly from: string; readonly edits: CdiEdits }[] }
  | { readonly missing: string };

/**
 * Finds each device in the files; what a file changes for all of its devices comes once, before the first of them. Throws
 * for what waiting does not help: a device that its kind does not have, and one that two files of a directory have.
 */
export function chooseEdits(names: readonly CdiName[], found: FoundFiles, directories: readonly string[]): Choice {
  const edits: { readonly from: string; readonly edits: CdiEdits }[] = [];
  const used = new Set<string>();
  for (const name of names) {
    const file = fileOf(name, found.files);
    if (file === undefined) return { missing: missing(name, found, directories) };
    const from = `CDI device ${name.text}`;
    if (!used.has(file.path)) edits.push({ from, edits: file.edits });
    used.add(file.path);
    const own = file.devices.get(name.name);
    if (own !== undefined) edits.push({ from, edits: own });
  }
  return { edits };
}

/** Undefined while no file has its kind. */
function fileOf(name: CdiName, files: readonly FoundFile[]): FoundFile | undefined {
  const ofKind = files.filter(({ kind }) => kind === name.kind);
  const having = ofKind.filter(({ devices }) => devices.has(name.name));
  const rank = Math.max(...having.map((file) => file.rank));
  const [first, second] = having.filter((file) => file.rank === rank);
  if (second !== undefined) throw fail(name, `both ${first?.path} and ${second.path} have it`);
  if (first === undefined && ofKind.length > 0) {
    const known = ofKind.flatMap(({ devices }) => [...devices.keys()]).slice(0, MAX_SHOWN);
    throw fail(name, `${ofKind.map(({ path }) => path).join(", ")} has no such device, but ${known.join(", ")}`);
  }
  return first;
}

function missing(name: CdiName, { files, problems }: FoundFiles, directories: readonly string[]): string {
  const kinds = [...new Set(files.map(({ kind }) => kind))].slice(0, MAX_SHOWN).join(", ") || "none";
  const bad = problems.map((problem) => `; ${problem}`).join("");
  return fail(name, `no file in ${directories.join(" or ")} has its kind; kinds that are: ${kinds}${bad}`).message;
}

function fail({ text }: CdiName, why: string): AgentError {
  return new AgentError("internal", `CDI device ${text}: ${why}`);
}
