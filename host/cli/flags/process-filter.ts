import { InvalidArgumentError } from "commander";
import type { ListedProcess } from "../output/process-list.ts";

/** Conditions by their keys: one of each key's values has to match. */
export type ProcessFilter = Readonly<Record<string, readonly string[]>>;

const label = ({ labels = {} }: ListedProcess, value: string) => {
  const [name = "", ...rest] = value.split("=");
  return Object.hasOwn(labels, name) && (rest.length === 0 || labels[name] === rest.join("="));
};
const part = ({ container = "" }: ListedProcess, value: string) => container.includes(value);

const MATCHES: Readonly<Record<string, (process: ListedProcess, value: string) => boolean>> = {
  name: part,
  id: part,
  label,
  status: ({ state }, value) => state === value,
  ancestor: ({ image }, value) => image === value,
  exited: ({ exitCode }, value) => exitCode !== undefined && String(exitCode) === value,
};

/** Parses docker's `--filter`, such as "label=app=web" or "status=exited", and adds it. Throws InvalidArgumentError. */
export function processFilter(text: string, before: ProcessFilter = {}): ProcessFilter {
  const [, key = "", value = ""] = /^([^=]+)=(.+)$/s.exec(text) ?? [];
  if (!Object.hasOwn(MATCHES, key)) {
    const known = Object.keys(MATCHES).join(", ");
    throw new InvalidArgumentError(`Expected KEY=value, with one of the keys ${known}.`);
  }
  return { ...before, [key]: [...(before[key] ?? []), value] };
}

/** True for a filter that means ended containers too, as in Docker. */
export const meansEnded = (filter: ProcessFilter): boolean => "status" in filter || "exited" in filter;

export function passesFilter(process: ListedProcess, filter: ProcessFilter): boolean {
  return Object.entries(filter).every(([key, values]) => values.some((value) => MATCHES[key]?.(process, value)));
}
