import { quoted } from "../../lib/quoted.ts";
import { RegistryError } from "./registry-error.ts";

/** A parsed image reference. */
export interface ImageReference {
  /** The original text, for errors. */
  readonly text: string;
  /** Host, with a port if it isn't the default. */
  readonly registry: string;
  readonly repository: string;
  /** The digest if there is one, otherwise the tag. */
  readonly reference: string;
  /** "sha256:…". The manifest must match it. */
  readonly digest?: string | undefined;
}

const DOCKER_HUB = "registry-1.docker.io";
const MAX_NAME = 255;
const REPOSITORY = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const HOST = /^(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:]+\])(?::\d{1,5})?$/;
const TAG = /^\w[\w.-]{0,127}$/;
const DIGEST = /^sha256:[0-9a-f]{64}$/;

/**
 * Parses "busybox", "quay.io/a/b:1.2" or "host:5000/a@sha256:…". The host defaults to Docker Hub, the tag to "latest".
 */
export function parseImageReference(text: string): ImageReference {
  const refuse = (why: string) => new RegistryError("invalid-argument", `image ${quoted(text, 200)}: ${why}`);
  const [named = "", digest, ...more] = text.split("@");
  if (more.length > 0 || (digest !== undefined && !DIGEST.test(digest)))
    throw refuse("its digest is not a sha256 digest");
  const first = named.split("/", 1)[0] ?? "";
  const hasHost = named.includes("/") && (/[.:]/.test(first) || first === "localhost");
  const path = hasHost ? named.slice(first.length + 1) : named;
  const [name = "", tag, ...rest] = path.split(":");
  const host = hasHost ? first : "docker.io";
  if (!HOST.test(host)) throw refuse("its registry is not a valid host");
  if (rest.length > 0 || (tag !== undefined && !TAG.test(tag))) throw refuse("its tag is not valid");
  if (name.length > MAX_NAME || !REPOSITORY.test(name))
    throw refuse("its name is not valid; use lower case, digits, . _ - and /");
  const isHub = host === "docker.io" || host === "index.docker.io";
  return {
    text,
    registry: isHub ? DOCKER_HUB : host,
    repository: isHub && !name.includes("/") ? `library/${name}` : name,
    reference: digest ?? tag ?? "latest",
    digest,
  };
}
