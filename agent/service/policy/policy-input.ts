import { AgentError } from "../../kernel/error.ts";

const FILE_TYPES: ReadonlyMap<number, string> = new Map([
  [0o100000, "Regular"],
  [0o040000, "Directory"],
  [0o120000, "Symlink"],
]);
const S_IFMT = 0o170000;

/**
 * Returns a request as the JSON that rules see: fields by the names in rules for Kata's agent, unset fields with their defaults, unset
 * messages as null, bytes as numbers. For CopyFile it omits the data and adds the file type and the target of a symbolic link.
 */
export function policyInput(name: string, request: unknown): string {
  return JSON.stringify(plain(name === "CopyFileRequest" ? copyFileInput(request as CopyFile) : request));
}

interface CopyFile {
  readonly data: Uint8Array;
  readonly file_mode: number;
}

function copyFileInput(request: CopyFile): unknown {
  const { data, ...rest } = plain({ ...ownAndDefault(request), data: null }) as Record<string, unknown>;
  const type = FILE_TYPES.get(request.file_mode & S_IFMT) ?? "Unknown";
  return { ...rest, file_type: type, symlink_target: type === "Symlink" ? linkTarget(request.data) : null };
}

function linkTarget(data: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(data);
  } catch (cause) {
    throw new AgentError("internal", "policy check of CopyFileRequest: the target of the link is not UTF-8", { cause });
  }
}

function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return Array.from(value);
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(ownAndDefault(value)).map(([key, item]) => [key, plain(item)]));
}

/** Copies own fields and defaults, which protobufjs keeps on the prototype. A map, whose keys the host chooses, is a plain object. */
function ownAndDefault(value: object): Record<string, unknown> {
  const isMap = Object.getPrototypeOf(value) === Object.prototype;
  const fields: [string, unknown][] = [];
  for (const key in value) {
    const field = (value as Record<string, unknown>)[key];
    if (typeof field !== "function") fields.push([isMap ? key : ruleName(key), field]);
  }
  return Object.fromEntries(fields); // keeps "__proto__" an ordinary key
}

/** Renames `type`, a keyword of Rust, in which Kata's agent is written. No other field of the contract is a keyword. */
function ruleName(field: string): string {
  return field === "type" ? "type_" : field;
}
