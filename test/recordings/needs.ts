import type { Line } from "./read-recording.ts";

/** Returns the paths of the root file systems of a recording's containers. */
export function rootPaths(lines: readonly Line[]): string[] {
  return lines.flatMap(({ call = "", request }) => {
    const { OCI } = (request ?? {}) as { OCI?: { Root?: { Path?: string } } };
    return call.endsWith("/CreateContainer") && OCI?.Root?.Path !== undefined ? [OCI.Root.Path] : [];
  });
}

/** Returns the MAC addresses of the recorded machine's interfaces. */
export function interfaces(lines: readonly Line[]): string[] {
  return lines.flatMap(({ call = "", request }) => {
    const { interface: it } = (request ?? {}) as { interface?: { hwAddr?: string } };
    return call.endsWith("/UpdateInterface") && it?.hwAddr !== undefined ? [it.hwAddr] : [];
  });
}
