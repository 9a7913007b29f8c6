import { existsSync, writeFileSync } from "node:fs";
import type { VmmAnswer, VmmModel } from "./scripted-vmm.ts";

type State = "Not started" | "Running" | "Paused";

const DONE: VmmAnswer = { status: 204 };

/** Returns a pretended Firecracker: its state decides what it refuses, and a snapshot's files must exist. */
export function firecrackerModel(version: string, start: State): VmmModel {
  let state = start;
  const allow = (is: boolean, fault: string, next: State, work: () => void = () => undefined): VmmAnswer => {
    if (!is) return { status: 400, body: { fault_message: fault } };
    try {
      work();
    } catch (error) {
      return { status: 400, body: { fault_message: `${(error as Error).message}\n` } };
    }
    state = next;
    return DONE;
  };
  const before = "The requested operation is not supported before starting the microVM.";
  const after = "The requested operation is not supported after starting the microVM.";
  return (operation, body) => {
    const fields = body as Readonly<Record<string, string>> & { readonly mem_backend?: Record<string, string> };
    switch (operation) {
      case "GET /":
        return { status: 200, body: { app_name: "Firecracker", id: "vm", state, vmm_version: version } };
      case "PATCH /vm":
        return allow(state !== "Not started", before, fields["state"] === "Paused" ? "Paused" : "Running");
      case "PUT /snapshot/create":
        return allow(state === "Paused", "Cannot save the state of a microVM that isn't paused", state, () => {
          for (const key of ["snapshot_path", "mem_file_path"]) writeFileSync(fields[key] ?? "", key);
        });
      case "PUT /snapshot/load":
        return allow(state === "Not started", after, "Paused", () => {
          for (const path of [fields["snapshot_path"], fields.mem_backend?.["backend_path"]]) {
            if (!existsSync(path ?? "")) throw new Error(`Failed to open snapshot file: ${path}`);
          }
        });
      default:
        return { status: 400, body: { fault_message: `Invalid request method and/or path: ${operation}` } };
    }
  };
}
