import { readFileSync } from "node:fs";
import { isAbsolute } from "node:path";
import { ifThere } from "../../lib/if-there.ts";
import { isJsonObject, parseJson } from "../../lib/parse-json.ts";
import { OperationError } from "../operation-error.ts";

/** Settings of a node's administrator for the guests of all pods, in /etc/guestd/shim.json or where GUESTD_SHIM_CONFIG says. */
export interface ShimConfig {
  /** Paths of the files that guests boot from. Default: those of the build or the installed package. */
  readonly kernel?: string;
  readonly initrd?: string;
  readonly image?: string;
  /** Words for the guest's kernel command line, such as options of the agent. */
  readonly kernelArgs?: readonly string[];
}

const isPath = (value: unknown) => typeof value === "string" && isAbsolute(value);
const isWords = (value: unknown) => Array.isArray(value) && value.every((word) => /^\S+$/.test(String(word)));

const FIELDS: Readonly<Record<keyof ShimConfig, readonly [valid: (value: unknown) => boolean, what: string]>> = {
  kernel: [isPath, "an absolute path"],
  initrd: [isPath, "an absolute path"],
  image: [isPath, "an absolute path"],
  kernelArgs: [isWords, "a list of words without spaces"],
};

/** Reads the node's configuration; without the file, nothing is set. Throws OperationError. */
export function readShimConfig(path = process.env["GUESTD_SHIM_CONFIG"] ?? "/etc/guestd/shim.json"): ShimConfig {
  const text = ifThere(() => readFileSync(path, "utf8"));
  if (text === undefined) return {};
  const refuse = (why: string) => new OperationError(`${path}: ${why}`, { kind: "invalid-argument" });
  const json = parseJson(text, path);
  if (!isJsonObject(json)) throw refuse("it is not a JSON object");
  for (const [name, value] of Object.entries(json)) {
    if (!Object.hasOwn(FIELDS, name)) throw refuse(`${name} is unknown; use ${Object.keys(FIELDS).join(", ")}`);
    const [valid, what] = FIELDS[name as keyof ShimConfig];
    if (!valid(value)) throw refuse(`${name} is not ${what}`);
  }
  return json;
}
