import { AgentError } from "../../kernel/error.ts";
import type { CdiEdits } from "./cdi-file.ts";
import type { CdiName } from "./cdi-name.ts";
import type { FoundFile, FoundFiles } from "./read-cdi-files.ts";

/** Most names in one line. */
const MAX_SHOWN = 20;

/** The edits for each device in order, or the reason that they aren't available yet. */
export type Choice =
  | { readonly edits: readonly { readonly from: string; readonly edits: CdiEdits }[] }
  | { readonly missing: string };

/**
 * Finds each device in the files. A file's edits for all its devices come once, before those of its first device.
 * Throws if waiting doesn't help: the kind lacks the device, or two files in one directory define it.
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

/** Undefined if no file has the device's kind yet. */
function fileOf(name: CdiName, files: readonly FoundFile[]): FoundFile | undefined {
  const ofKind = files.filter(({ kind }) => kind === name.kind);
  const having = ofKind.filter(({ devices }) => devices.has(name.name));
  const rank = Math.max(...having.map((file) => file.rank));
  const [first, second] = having.filter((file) => file.rank === rank);
  if (second !== undefined) throw fail(name, `both ${first?.path} and ${second.path} define it`);
  if (first === undefined && ofKind.length > 0) {
    const known = ofKind.flatMap(({ devices }) => [...devices.keys()]).slice(0, MAX_SHOWN);
    throw fail(name, `${ofKind.map(({ path }) => path).join(", ")} has no such device; known: ${known.join(", ")}`);
  }
  return first;
}

function missing(name: CdiName, { files, problems }: FoundFiles, directories: readonly string[]): string {
  const kinds = [...new Set(files.map(({ kind }) => kind))].slice(0, MAX_SHOWN).join(", ") || "none";
  const bad = problems.map((problem) => `; ${problem}`).join("");
  return fail(name, `no file in ${directories.join(" or ")} has its kind; kinds present: ${kinds}${bad}`).message;
}

function fail({ text }: CdiName, why: string): AgentError {
  return new AgentError("internal", `CDI device ${text}: ${why}`);
}
