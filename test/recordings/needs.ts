import type { NumberedEntry } from "../../host/conversation/format/read-conversation.ts";
import { requestsOf } from "./read-recording.ts";

/** Returns the paths of the root file systems of a recording's containers. */
export function rootPaths(entries: readonly NumberedEntry[]): string[] {
  return requestsOf(entries, "CreateContainer").flatMap((request) => {
    const { OCI } = request as { OCI?: { Root?: { Path?: string } } };
    return OCI?.Root?.Path === undefined ? [] : [OCI.Root.Path];
  });
}

/** Returns the MAC addresses of the recorded machine's interfaces. */
export function interfaces(entries: readonly NumberedEntry[]): string[] {
  return requestsOf(entries, "UpdateInterface").flatMap((request) => {
    const { interface: it } = request as { interface?: { hwAddr?: string } };
    return it?.hwAddr === undefined ? [] : [it.hwAddr];
  });
}
