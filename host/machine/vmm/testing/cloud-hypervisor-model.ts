import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ApiDescription } from "./api-description.ts";
import type { VmmAnswer, VmmModel } from "./scripted-vmm.ts";

type State = "none" | "Running" | "Paused";

const FILES = ["config.json", "memory-ranges", "state.json"];

/** Configuration of a guest as config.json has it, with null for everything unset. */
export const CONFIG = {
  cpus: { boot_vcpus: 1, max_vcpus: 1 },
  memory: { size: 268_435_456, shared: false, zones: null },
  payload: { firmware: null, kernel: "/boot/vmlinux", cmdline: "console=hvc0", initramfs: "/boot/initramfs" },
  disks: [
    { id: "_disk0", path: "/cache/image.erofs", readonly: true, vhost_user: false },
    { id: "_disk1", path: "/vm/template/scratch.img", readonly: false, vhost_user: false },
  ],
  net: [{ id: "_net2", tap: "tap-template", mac: "02:00:00:00:00:01", vhost_user: false, fds: null }],
  fs: null,
  pmem: null,
  serial: { mode: "File", file: "/vm/template/serial.log", socket: null },
  console: { mode: "Off", file: null, socket: null },
  devices: null,
  vsock: { cid: 3, socket: "/vm/template/v.sock", id: "_vsock3" },
  landlock_enable: false,
};

/**
 * Returns a pretended Cloud Hypervisor whose machine, if any, has `config`. A restore reads config.json as the program
 * does, and refuses one that the API's description doesn't allow.
 */
export function cloudHypervisorModel(api: ApiDescription, version: string, start: State, config: object): VmmModel {
  let state = start;
  const refuse = (status: number, ...why: string[]): VmmAnswer => ({ status, body: ["Error from API", ...why] });
  const move = (from: State, to: State): VmmAnswer => {
    if (state === "none") return refuse(404, "VM is not created");
    if (state !== from) return refuse(500, `Invalid state transition: ${state} to ${to}`);
    state = to;
    return { status: 204 };
  };
  const snapshot = (folder: string): VmmAnswer => {
    if (state !== "Paused") return move("Paused", "Paused");
    if (!existsSync(folder)) return refuse(500, "The VM could not be snapshotted", "Destination is not a directory");
    writeFileSync(join(folder, "config.json"), JSON.stringify(config));
    writeFileSync(join(folder, "memory-ranges"), "memory");
    writeFileSync(join(folder, "state.json"), "{}");
    return { status: 204 };
  };
  const restore = (folder: string): VmmAnswer => {
    if (state !== "none") return refuse(404, "VM is already created");
    const missing = FILES.find((file) => !existsSync(join(folder, file)));
    if (missing !== undefined) return refuse(500, `${missing}: No such file or directory (os error 2)`);
    const problem = api.value("VmConfig", withoutNulls(JSON.parse(readFileSync(join(folder, "config.json"), "utf8"))));
    if (problem !== undefined) return refuse(400, problem);
    state = "Paused";
    return { status: 204 };
  };
  return (operation, body) => {
    const fields = (body ?? {}) as Readonly<Record<string, string>>;
    switch (operation.replace("/api/v1", "")) {
      case "GET /vmm.ping":
        return { status: 200, body: { build_version: `v${version}`, version, pid: 7, features: [] } };
      case "PUT /vm.pause":
        return move("Running", "Paused");
      case "PUT /vm.resume":
        return move("Paused", "Running");
      case "PUT /vm.snapshot":
        return snapshot(fields["destination_url"]?.replace(/^file:\/\//, "") ?? "");
      case "PUT /vm.restore":
        return restore(fields["source_url"]?.replace(/^file:\/\//, "") ?? "");
      default:
        return refuse(404, "Not Found");
    }
  };
}

/** The description has no nulls; the program writes and reads them for options that aren't set. */
function withoutNulls(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value, (_key, each) => (each === null ? undefined : each)));
}
