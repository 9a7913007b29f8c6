import { isJsonObject } from "../../../lib/parse-json.ts";
import { type ApiOptions, ApiSocket } from "./api-socket.ts";
import type { MachineControl, VmmVersion } from "./machine-control.ts";
import { isAtLeast } from "./version-number.ts";

/** Versions that brought the replacements of a load request; older ones refuse the unknown fields. */
const TAPS_SINCE = [1, 12, 0];
const VSOCK_SINCE = [1, 16, 0];

/** Time limit in milliseconds for writing or mapping the guest's memory. */
const MEMORY_MS = 600_000;

const EVERY_START = "start another firecracker process, which loads a snapshot before it is configured";

/** Resources of the host that a clone uses instead of the snapshot's. */
export interface FirecrackerClone {
  /**
   * Path of the clone's vsock socket. Without it the clone binds the snapshot's path, which must be relative, and each
   * clone needs its own working directory or jail.
   */
  readonly vsock?: string;
  /** Names of tap devices by interface id. */
  readonly taps?: Readonly<Record<string, string>>;
}

export interface FirecrackerOptions extends ApiOptions {
  readonly clone?: FirecrackerClone;
}

/** The Firecracker process behind an API socket. A snapshot is the files `memory` and `state` of a folder. */
export class Firecracker implements MachineControl {
  readonly #api: ApiSocket;
  readonly #clone: FirecrackerClone;

  constructor(socket: string, { clone = {}, ...options }: FirecrackerOptions = {}) {
    this.#api = new ApiSocket("Firecracker", socket, faultMessage, options);
    this.#clone = clone;
  }

  async vmm(): Promise<VmmVersion> {
    const { version } = await this.#describe();
    return { name: "firecracker", version };
  }

  async pause(): Promise<void> {
    await this.#setState("pause", "Paused");
  }

  async resume(): Promise<void> {
    await this.#setState("resume", "Resumed");
  }

  async snapshot(folder: string): Promise<void> {
    await this.#api.call({
      what: "snapshot",
      method: "PUT",
      path: "/snapshot/create",
      body: { snapshot_type: "Full", snapshot_path: `${folder}/state`, mem_file_path: `${folder}/memory` },
      limitMs: MEMORY_MS,
      remedy: `pause the machine first, and check that ${folder} exists where Firecracker runs and has space`,
    });
  }

  async restore(folder: string): Promise<void> {
    const { version, state } = await this.#describe();
    if (state !== "Not started") {
      throw this.#api.error("restore", `it already has a machine, which is ${state.toLowerCase()}; ${EVERY_START}`);
    }
    this.#checkVersion(version);
    const { vsock, taps } = this.#clone;
    const overrides = Object.entries(taps ?? {}).map(([id, name]) => ({ iface_id: id, host_dev_name: name }));
    await this.#api.call({
      what: "restore",
      method: "PUT",
      path: "/snapshot/load",
      body: {
        snapshot_path: `${folder}/state`,
        mem_backend: { backend_type: "File", backend_path: `${folder}/memory` },
        resume_vm: false,
        ...(overrides.length === 0 ? {} : { network_overrides: overrides }),
        ...(vsock === undefined ? {} : { vsock_override: { uds_path: vsock } }),
      },
      limitMs: MEMORY_MS,
      remedy: `this firecracker ends now: check ${folder} and the clone's vsock path, taps and drives, and ${EVERY_START}`,
    });
  }

  #checkVersion(version: string): void {
    if (this.#clone.taps !== undefined && !isAtLeast(version, TAPS_SINCE)) {
      const remedy = "give each clone a network namespace with a tap of the snapshot's name, or use 1.12.0 or later";
      throw this.#api.error("restore", `version ${version} can't replace taps; ${remedy}`);
    }
    if (this.#clone.vsock !== undefined && !isAtLeast(version, VSOCK_SINCE)) {
      const remedy =
        "start each clone in its own directory or jail and leave its vsock path out, or use 1.16.0 or later";
      throw this.#api.error("restore", `version ${version} can't replace the vsock path; ${remedy}`);
    }
  }

  async #setState(what: string, state: "Paused" | "Resumed"): Promise<void> {
    const remedy = "start the machine first";
    await this.#api.call({ what, method: "PATCH", path: "/vm", body: { state }, remedy });
  }

  async #describe(): Promise<{ version: string; state: string }> {
    const remedy = "check that the socket is Firecracker's API socket";
    const info = await this.#api.call({ what: "description", method: "GET", path: "/", remedy });
    if (!isJsonObject(info) || typeof info["vmm_version"] !== "string" || typeof info["state"] !== "string") {
      throw this.#api.error("description", `the answer lacks vmm_version or state; ${remedy}`);
    }
    return { version: info["vmm_version"], state: info["state"] };
  }
}

function faultMessage(body: string): string {
  try {
    const value: unknown = JSON.parse(body);
    return isJsonObject(value) ? String(value["fault_message"] ?? body) : body;
  } catch {
    return body;
  }
}
