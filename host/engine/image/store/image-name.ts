import { type ImageReference, parseImageReference } from "../../../../image/registry/image-reference.ts";

/** Returns an image's full name: "docker.io/library/busybox:latest" for "busybox". Throws RegistryError. */
export function fullName(text: string): string {
  return nameOf(parseImageReference(text));
}

/** Returns the full name of a parsed reference. */
export function nameOf({ registry, repository, reference, digest }: ImageReference): string {
  const host = registry === "registry-1.docker.io" ? "docker.io" : registry;
  return `${host}/${repository}${digest === undefined ? ":" : "@"}${reference}`;
}

/** Returns a full name as docker prints it: "busybox:latest". */
function shortName(name: string): string {
  return name.replace(/^docker\.io\/(library\/)?/, "");
}

/** True if a full name is the one in `text`, or if `text` has neither tag nor digest and names its repository. */
export function isMatch(name: string, text: string): boolean {
  const full = fullName(text);
  return name === full || (!/[:@][^/]*$/.test(text) && splitName(name).repository === splitName(full).repository);
}

/** Splits a full name into the repository as docker prints it and the tag or digest. */
export function splitName(name: string): { readonly repository: string; readonly tag: string } {
  const [, repository = "", tag = ""] = /^(.*?)(?:@|:(?=[^/]*$))(.*)$/.exec(shortName(name)) ?? [];
  return { repository, tag };
}
