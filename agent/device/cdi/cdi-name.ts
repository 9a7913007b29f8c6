import { invalidArgument, quoted } from "../../kernel/invalid-argument.ts";

/** A requested device: VENDOR/CLASS=NAME. */
export interface CdiName {
  readonly text: string;
  /** VENDOR/CLASS. */
  readonly kind: string;
  readonly name: string;
}

const VENDOR_CLASS = /^[A-Za-z](?:[\w.-]*[A-Za-z0-9])?\/[A-Za-z](?:[\w.-]*[A-Za-z0-9])?$/;
const NAME = /^[A-Za-z0-9](?:[\w.:-]*[A-Za-z0-9])?$/;
const MAX_KIND = 317;
const MAX_NAME = 253;
const PREFIX = "cdi.k8s.io/";
const VARIABLE = "VISIBLE_CDI_DEVICES=";
/** More devices than any machine has. */
const MAX_DEVICES = 1024;

export function isCdiKind(text: string): boolean {
  return text.length <= MAX_KIND && VENDOR_CLASS.test(text);
}

export function isCdiDeviceName(text: string): boolean {
  return text.length <= MAX_NAME && NAME.test(text);
}

/** Returns the devices that annotations request, in the order of the annotations' keys. */
export function annotatedDevices(annotations: Readonly<Record<string, string>>): CdiName[] {
  const keys = Object.keys(annotations).filter((key) => key.startsWith(PREFIX));
  return keys
    .sort()
    .flatMap((key) => (annotations[key] ?? "").split(",").map((text) => parseName(text, `annotation ${quoted(key)}`)));
}

/**
 * Returns the devices in VISIBLE_CDI_DEVICES: KIND=DEVICES entries separated by ":". DEVICES is "all" or numbers
 * separated by ",". The values "", "none" and "void" mean no devices.
 */
export function visibleDevices(env: readonly string[]): CdiName[] {
  const value =
    env
      .find((line) => line.startsWith(VARIABLE))
      ?.slice(VARIABLE.length)
      .trim() ?? "";
  if (value === "" || value === "none" || value === "void") return [];
  return value.split(":").flatMap((entry) => {
    const [kind = "", list = "", ...more] = entry.split("=").map((part) => part.trim());
    const names = list.split(",").map((name) => name.trim());
    const areNumbers = names.every((name) => /^\d{1,9}$/.test(name));
    if (more.length > 0 || !(areNumbers || list === "all")) {
      throw invalidArgument(`VISIBLE_CDI_DEVICES: ${quoted(entry)} is not KIND=all or KIND=NUMBER,…`);
    }
    return names.map((name) => parseName(`${kind}=${areNumbers ? Number(name) : name}`, "VISIBLE_CDI_DEVICES"));
  });
}

/** Removes duplicates. Throws for more devices than any machine has. */
export function withoutDoubles(names: readonly CdiName[]): CdiName[] {
  const unique = [...new Map(names.map((name) => [name.text, name])).values()];
  if (unique.length > MAX_DEVICES)
    throw invalidArgument(`CDI devices: ${unique.length} are requested, at most ${MAX_DEVICES} are allowed`);
  return unique;
}

function parseName(text: string, where: string): CdiName {
  const at = text.indexOf("=");
  const [kind, name] = [text.slice(0, Math.max(at, 0)), text.slice(at + 1)];
  if (!isCdiKind(kind) || !isCdiDeviceName(name))
    throw invalidArgument(`${where}: ${quoted(text)} is not VENDOR/CLASS=NAME`);
  return { text, kind, name };
}
