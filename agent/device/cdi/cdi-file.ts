import { AgentError } from "../../kernel/error.ts";
import { quoted } from "../../kernel/invalid-argument.ts";
import { isCdiDeviceName, isCdiKind } from "./cdi-name.ts";
import { Fields } from "./fields.ts";

/** A node for the container. Absent fields are taken from `hostPath` in the guest. */
export interface CdiNode {
  readonly path: string;
  readonly hostPath: string;
  readonly type?: string | undefined;
  readonly major?: number | undefined;
  readonly minor?: number | undefined;
  readonly mode?: number | undefined;
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
  /** Letters r, w and m. */
  readonly access: string;
}

export interface CdiMount {
  readonly source: string;
  readonly destination: string;
  readonly type: string;
  readonly options: readonly string[];
}

export interface CdiHook {
  readonly kind: string;
  readonly path: string;
  readonly args: readonly string[];
  readonly env: readonly string[];
  /** Seconds. */
  readonly timeout?: number | undefined;
}

/** Changes to a container. */
export interface CdiEdits {
  readonly env: readonly string[];
  readonly nodes: readonly CdiNode[];
  readonly mounts: readonly CdiMount[];
  readonly hooks: readonly CdiHook[];
  readonly gids: readonly number[];
}

export interface CdiFile {
  /** VENDOR/CLASS. */
  readonly kind: string;
  /** Apply with any of the file's devices. */
  readonly edits: CdiEdits;
  readonly devices: ReadonlyMap<string, CdiEdits>;
}

/** Without the last number, which changes nothing for readers. */
const VERSIONS = new Set(["0.1", "0.2", "0.3", "0.4", "0.5", "0.6", "0.7", "0.8", "1.0", "1.1"]);
const NO_EDITS: CdiEdits = { env: [], nodes: [], mounts: [], hooks: [], gids: [] };

/** Decodes a Container Device Interface file up to version 1.1. Throws one line for an invalid or unsupported field. */
export function decodeCdiFile(value: unknown): CdiFile {
  const fields = new Fields(value, "");
  const version = fields.required("cdiVersion");
  if (!VERSIONS.has(version.split(".").slice(0, 2).join(".")))
    throw invalidFile(`cdiVersion ${quoted(version)} is unknown`);
  const kind = fields.required("kind");
  if (!isCdiKind(kind)) throw invalidFile(`kind ${quoted(kind)} is not VENDOR/CLASS`);
  fields.ignore("annotations");
  const devices = new Map<string, CdiEdits>();
  for (const [name, edits] of fields.list("devices", decodeDevice)) {
    if (devices.has(name)) throw invalidFile(`device ${quoted(name)} is defined twice`);
    devices.set(name, edits);
  }
  const edits = fields.object("containerEdits", decodeEdits) ?? NO_EDITS;
  fields.end();
  if (devices.size === 0) throw invalidFile("the file has no devices");
  return { kind, edits, devices };
}

function decodeDevice(value: unknown, where: string): readonly [string, CdiEdits] {
  const fields = new Fields(value, where);
  const name = fields.required("name");
  if (!isCdiDeviceName(name)) throw invalidFile(`${where}.name ${quoted(name)} is not a valid device name`);
  fields.ignore("annotations");
  const edits = fields.object("containerEdits", decodeEdits) ?? NO_EDITS;
  fields.end();
  return [name, edits];
}

function decodeEdits(value: unknown, where: string): CdiEdits {
  const fields = new Fields(value, where);
  const env = fields.texts("env");
  const wrong = env.findIndex((line) => line.indexOf("=") < 1);
  if (wrong >= 0) throw invalidFile(`${where}.env[${wrong}] is not NAME=VALUE`);
  const edits = {
    env,
    nodes: fields.list("deviceNodes", decodeNode),
    mounts: fields.list("mounts", decodeMount),
    hooks: fields.list("hooks", decodeHook),
    gids: fields.list("additionalGids", decodeGid),
  };
  fields.end(); // netDevices, intelRdt
  return edits;
}

function decodeNode(value: unknown, where: string): CdiNode {
  const fields = new Fields(value, where);
  const path = fields.required("path");
  const access = fields.text("permissions") || "rwm";
  if (!/^[rwm]{1,3}$/.test(access))
    throw invalidFile(`${where}.permissions ${quoted(access)} may contain only r, w and m`);
  const node = {
    path,
    access,
    hostPath: fields.text("hostPath") || path,
    type: fields.text("type") || undefined,
    major: fields.number("major"),
    minor: fields.number("minor"),
    mode: fields.number("fileMode"),
    uid: fields.number("uid"),
    gid: fields.number("gid"),
  };
  fields.end();
  return node;
}

function decodeMount(value: unknown, where: string): CdiMount {
  const fields = new Fields(value, where);
  const mount = {
    source: fields.required("hostPath"),
    destination: fields.required("containerPath"),
    type: fields.text("type") || "bind",
    options: fields.texts("options"),
  };
  fields.end();
  return mount;
}

function decodeHook(value: unknown, where: string): CdiHook {
  const fields = new Fields(value, where);
  const hook = {
    kind: fields.required("hookName"),
    path: fields.required("path"),
    args: fields.texts("args"),
    env: fields.texts("env"),
    timeout: fields.number("timeout"),
  };
  fields.end();
  return hook;
}

function decodeGid(value: unknown, where: string): number {
  if (Number.isInteger(value) && (value as number) >= 0 && (value as number) < 2 ** 32) return value as number;
  throw invalidFile(`${where} is not a group id`);
}

function invalidFile(why: string): AgentError {
  return new AgentError("internal", why);
}
