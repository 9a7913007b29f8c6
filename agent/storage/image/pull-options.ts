import { isJsonObject } from "../../../lib/parse-json.ts";
import { AgentError } from "../../kernel/error.ts";
import { guestPath } from "../../kernel/guest-path.ts";
import type { Storage } from "../storage.ts";

/** A host's request to pull an image. */
export interface PullOptions {
  readonly image: string;
  /** True for the pod's pause container. */
  readonly isPause: boolean;
  /** Directory of an OCI layout in the guest that holds the image. Undefined to pull from a registry. */
  readonly layout: string | undefined;
  /** Allows registries outside the guest to be contacted without TLS. */
  readonly plainHttp: boolean;
  /** Options for the mount. */
  readonly mount: readonly string[];
}

/** Driver option with JSON: {"metadata": {annotation: value, …}}. */
export const METADATA = "image_guest_pull";
const LAYOUT = "layout=";
const PLAIN_HTTP = "plain-http";
/** Annotations of containerd and CRI-O. */
const CONTAINER_TYPES = ["io.kubernetes.cri.container-type", "io.kubernetes.cri-o.ContainerType"];

/** Reads the options of a storage. Throws one line for invalid ones. */
export function pullOptions({ source, options, driverOptions }: Storage): PullOptions {
  const metadata = driverOptions.map((option) => parseMetadata(option.slice(METADATA.length + 1)));
  const layout = options.findLast((option) => option.startsWith(LAYOUT))?.slice(LAYOUT.length);
  return {
    image: source,
    isPause: metadata.some((values) => CONTAINER_TYPES.some((key) => values[key] === "sandbox")),
    layout: layout === undefined ? undefined : guestPath(`${METADATA} storage: layout`, layout),
    plainHttp: options.includes(PLAIN_HTTP),
    mount: options.filter((option) => option !== PLAIN_HTTP && !option.startsWith(LAYOUT)),
  };
}

function parseMetadata(json: string): Readonly<Record<string, unknown>> {
  const refuse = (why: string) =>
    new AgentError("invalid-argument", `${METADATA} storage: driver option ${METADATA} ${why}`);
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    throw refuse("is not JSON");
  }
  const { metadata } = isJsonObject(value) ? value : {};
  if (!isJsonObject(metadata)) throw refuse('has no object "metadata"');
  return metadata;
}
