import { AgentError } from "../../kernel/error.ts";
import { guestPath } from "../../kernel/guest-path.ts";
import type { Storage } from "../storage.ts";

/** What a host says of an image that is to be pulled. */
export interface PullOptions {
  readonly image: string;
  /** It is for the pod's pause container. */
  readonly isPause: boolean;
  /** Directory of an OCI layout in the guest that has the image; undefined: from its registry. */
  readonly layout: string | undefined;
  /** Registries that are not in the guest itself may be spoken to without TLS. */
  readonly plainHttp: boolean;
  /** Options of the mount. */
  readonly mount: readonly string[];
}

/** The driver option that has JSON: {"metadata": {annotation: value, …}}. */
export const METADATA = "image_guest_pull";
const LAYOUT = "layout=";
const PLAIN_HTTP = "plain-http";
/** containerd's and CRI-O's. */
const CONTAINER_TYPES = ["io.kubernetes.cri.container-type", "io.kubernetes.cri-o.ContainerType"];

/** Throws one line for what can't be meant. */
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
  const { metadata } = isObject(value) ? value : {};
  if (!isObject(metadata)) throw refuse('has no object "metadata"');
  return metadata;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
