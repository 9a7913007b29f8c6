import { posix } from "node:path";
import { InvalidArgumentError } from "commander";
import type { Volume } from "../../sandbox/shared-folder.ts";
import { bytes, volumes } from "./option-values.ts";

/** A tmpfs of a container. */
export interface Tmpfs {
  /** Absolute path in the container. */
  readonly guest: string;
  /** Bytes; undefined for the kernel's default, half of the guest's memory. */
  readonly size?: number;
}

/** A `--mount`: a folder of the host or a tmpfs. */
export type MountFlag = { readonly volume: Volume } | { readonly tmpfs: Tmpfs };

const KEYS: Readonly<Record<string, string>> = {
  type: "type",
  source: "source",
  src: "source",
  target: "target",
  destination: "target",
  dst: "target",
  readonly: "readonly",
  ro: "readonly",
  "tmpfs-size": "size",
};

/**
 * Parses docker's `--mount` of the types bind and tmpfs, such as "type=bind,source=/srv,target=/data,readonly", and
 * appends it to `before`. Throws InvalidArgumentError.
 */
export function mounts(text: string, before: readonly MountFlag[] = []): readonly MountFlag[] {
  const fields = new Map(text.split(",").map(readField));
  const { type = "", source = "", target = "", readonly = "false", size } = Object.fromEntries(fields);
  if (!target.startsWith("/")) throw new InvalidArgumentError("Expected target=/PATH, an absolute path.");
  if (type === "tmpfs") {
    if (fields.has("source") || fields.has("readonly"))
      throw new InvalidArgumentError("A tmpfs has neither a source nor readonly.");
    const guest = posix.normalize(target);
    return [...before, { tmpfs: size === undefined ? { guest } : { guest, size: bytes(size) } }];
  }
  if (type !== "bind")
    throw new InvalidArgumentError("Expected type=bind or type=tmpfs; volumes with names don't exist.");
  if (size !== undefined) throw new InvalidArgumentError("tmpfs-size is for type=tmpfs.");
  if (!["", "true", "1", "false", "0"].includes(readonly)) throw new InvalidArgumentError("Expected readonly or ro.");
  if (source.includes(":") || target.includes(":")) throw new InvalidArgumentError("Paths with : aren't supported.");
  const mode = ["false", "0"].includes(readonly) ? "rw" : "ro";
  return [...before, ...volumes(`${source}:${target}:${mode}`).map((volume) => ({ volume }))];
}

function readField(field: string): readonly [string, string] {
  const equals = field.indexOf("=");
  const key = equals < 0 ? field : field.slice(0, equals);
  const name = KEYS[key];
  if (name === undefined) {
    const known = "type, source, target, readonly and tmpfs-size";
    throw new InvalidArgumentError(`Unknown field ${JSON.stringify(key)}; the fields are ${known}.`);
  }
  return [name, equals < 0 ? "" : field.slice(equals + 1)];
}
