import type { Line } from "./read-recording.ts";

/** Where the containers of a recording had their root file systems. */
export function rootPaths(lines: readonly Line[]): string[] {
  return lines.flatMap(({ call = "", request }) => {
    const { OCI } = (request ?? {}) as { OCI?: { Root?: { Path?: string } } };
    return call.endsWith("/CreateContainer") && OCI?.Root?.Path !== undefined ? [OCI.Root.Path] : [];
  });
}

/** MAC addresses of the interfaces that the recorded machine had. */
export function interfaces(lines: readonly Line[]): string[] {
  return lines.flatMap(({ call = "", request }) => {
    const { interface: it } = (request ?? {}) as { interface?: { hwAddr?: string } };
    return call.endsWith("/UpdateInterface") && it?.hwAddr !== undefined ? [it.hwAddr] : [];
  });
}
