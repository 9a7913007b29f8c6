import { posix } from "node:path";
import { InvalidArgumentError } from "commander";
import type { Volume } from "../../engine/guest/shared-folder.ts";
import type { NamedVolume } from "../../engine/volume/use-volumes.ts";
import { bytes, hostFolder, volumeName } from "./option-values.ts";

/** A tmpfs of a container. */
export interface Tmpfs {
  /** Absolute path in the container. */
  readonly guest: string;
  /** Bytes; undefined for the kernel's default, half of the guest's memory. */
  readonly size?: number;
}

/** A `--mount`: a folder of the host, a named volume or a tmpfs. */
export type MountFlag = { readonly volume: Volume | NamedVolume } | { readonly tmpfs: Tmpfs };

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
 * Parses docker's `--mount` of the types bind, volume and tmpfs, such as "type=bind,source=/srv,target=/data,readonly", and
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
  if (type !== "bind" && type !== "volume") throw new InvalidArgumentError("Expected type=bind, volume or tmpfs.");
  if (size !== undefined) throw new InvalidArgumentError("tmpfs-size is for type=tmpfs.");
  if (!["", "true", "1", "false", "0"].includes(readonly)) throw new InvalidArgumentError("Expected readonly or ro.");
  if (source.includes(":") || target.includes(":")) throw new InvalidArgumentError("Paths with : aren't supported.");
  if (source === "") throw new InvalidArgumentError("Expected source=, a folder of the host or a volume's name.");
  const place = { guest: posix.normalize(target), mode: ["false", "0"].includes(readonly) ? "rw" : "ro" } as const;
  const from = type === "bind" ? { host: hostFolder(source) } : { name: volumeName(source) };
  return [...before, { volume: { ...from, ...place } }];
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
