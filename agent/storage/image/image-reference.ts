import { AgentError } from "../../kernel/error.ts";

/** Where an image is to be had from. */
export interface ImageReference {
  /** As it was given, for errors. */
  readonly text: string;
  /** Host, with a port where it isn't the usual one. */
  readonly registry: string;
  readonly repository: string;
  /** A tag, or the digest where there is one. */
  readonly reference: string;
  /** "sha256:…", which the manifest must have. */
  readonly digest?: string;
}

const DOCKER_HUB = "registry-1.docker.io";
const MAX_NAME = 255;
const REPOSITORY = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const HOST = /^(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:]+\])(?::\d{1,5})?$/;
const TAG = /^\w[\w.-]{0,127}$/;
const DIGEST = /^sha256:[0-9a-f]{64}$/;

/** "busybox", "quay.io/a/b:1.2", "host:5000/a@sha256:…". Without a host it is Docker Hub's, without a tag it is "latest". */
export function parseImageReference(text: string): ImageReference {
  const refuse = (why: string) =>
    new AgentError("invalid-argument", `image ${JSON.stringify(text.slice(0, 200))}: ${why}`);
  const [named = "", digest, ...more] = text.split("@");
  if (more.length > 0 || (digest !== undefined && !DIGEST.test(digest))) throw refuse("its digest is no sha256 digest");
  const first = named.split("/", 1)[0] ?? "";
  const hasHost = named.includes("/") && (/[.:]/.test(first) || first === "localhost");
  const path = hasHost ? named.slice(first.length + 1) : named;
  const [name = "", tag, ...rest] = path.split(":");
  const host = hasHost ? first : "docker.io";
  if (!HOST.test(host)) throw refuse("its registry is no host");
  if (rest.length > 0 || (tag !== undefined && !TAG.test(tag))) throw refuse("its tag can't be");
  if (name.length > MAX_NAME || !REPOSITORY.test(name))
    throw refuse("its name can't be: lower case, digits, . _ - and /");
  const isHub = host === "docker.io" || host === "index.docker.io";
  return {
    text,
    registry: isHub ? DOCKER_HUB : host,
    repository: isHub && !name.includes("/") ? `library/${name}` : name,
    reference: digest ?? tag ?? "latest",
    ...(digest === undefined ? {} : { digest }),
  };
}
