import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ifThere } from "../../lib/if-there.ts";
import type { ProcessOwner } from "../../lib/process-owner.ts";
import { writeJson } from "../../lib/write-json.ts";
import { parseExactJson } from "../oci/exact-json.ts";

/** How an engine calls the shim's program. */
export interface ShimCall {
  /** Namespace of the engine's containers. */
  readonly namespace: string;
  /** The engine's own socket. */
  readonly address: string;
  /** Id of the container. */
  readonly id: string;
  /** Its folder, which has config.json. */
  readonly bundle: string;
}

/** Where a pod's shim is on the host. */
export interface ShimPlace {
  /** Id of the container that makes the pod. */
  readonly pod: string;
  /** Socket for the engine's calls. */
  readonly socket: string;
  /** Folder of its guest, which ends with it. */
  readonly folder: string;
}

/** Engines look for sockets of shims there. */
const SOCKETS = "/run/containerd/s";
const FOLDERS = "/run/guestd/shims";
const CRI = "io.kubernetes.cri";

/** Returns the place of the shim for a container: that of its pod, if its spec names one. */
export function shimPlace({ namespace, address, id, bundle }: ShimCall): ShimPlace {
  const annotations = annotationsIn(join(bundle, "config.json"));
  const sandbox = annotations[`${CRI}.container-type`] === "container" ? annotations[`${CRI}.sandbox-id`] : undefined;
  const pod = typeof sandbox === "string" ? sandbox : id;
  const name = createHash("sha256")
    .update(join(address, namespace, pod))
    .digest("hex");
  return { pod, socket: join(SOCKETS, name), folder: join(FOLDERS, name.slice(0, 16)) };
}

function annotationsIn(config: string): Readonly<Record<string, unknown>> {
  const text = ifThere(() => readFileSync(config, "utf8"));
  const json = text === undefined ? undefined : (parseExactJson(text, config) as { annotations?: object } | null);
  return { ...json?.annotations };
}

/** Facts that `delete` needs of a shim that died. */
export interface ShimRecord extends Pick<ShimPlace, "socket" | "folder"> {
  readonly owner: ProcessOwner;
}

const recordFile = (bundle: string) => join(bundle, "guestd-shim.json");

/** Writes the record to the bundle of the container that makes the pod. */
export function writeRecord(bundle: string, record: ShimRecord): void {
  writeJson(recordFile(bundle), record);
}

/** Returns the record; undefined in bundles of a pod's other containers. */
export function readRecord(bundle: string): ShimRecord | undefined {
  const text = ifThere(() => readFileSync(recordFile(bundle), "utf8"));
  return text === undefined ? undefined : (JSON.parse(text) as ShimRecord);
}
