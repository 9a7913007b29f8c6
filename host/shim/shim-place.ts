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
  /** Path of its network namespace; undefined for one of its own, without devices at first. */
  readonly network?: string;
}

/** Engines look for sockets of shims there. */
const SOCKETS = "/run/containerd/s";
const FOLDERS = "/run/guestd/shims";
const CRI = "io.kubernetes.cri";

/** Returns the place of the shim for a container: that of its pod, if its spec names one. */
export function shimPlace({ namespace, address, id, bundle }: ShimCall): ShimPlace {
  const { annotations = {}, linux } = specIn(join(bundle, "config.json"));
  const sandbox = annotations[`${CRI}.container-type`] === "container" ? annotations[`${CRI}.sandbox-id`] : undefined;
  const pod = typeof sandbox === "string" ? sandbox : id;
  const name = createHash("sha256")
    .update(join(address, namespace, pod))
    .digest("hex");
  const place = { pod, socket: join(SOCKETS, name), folder: join(FOLDERS, name.slice(0, 16)) };
  const network = linux?.namespaces?.find(({ type }) => type === "network")?.path;
  return network ? { ...place, network } : place;
}

/** The parts of a spec that say which pod it belongs to. Its writer is the engine. */
interface PodSpec {
  readonly annotations?: Readonly<Record<string, unknown>>;
  readonly linux?: { readonly namespaces?: readonly { readonly type: string; readonly path?: string }[] };
}

function specIn(config: string): PodSpec {
  const text = ifThere(() => readFileSync(config, "utf8"));
  return (text === undefined ? undefined : (parseExactJson(text, config) as PodSpec | null)) ?? {};
}

/** Record by which `delete` finds the files of a dead shim. */
export interface ShimRecord extends Omit<ShimPlace, "pod"> {
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
