import { rm } from "node:fs/promises";
import { isJsonObject } from "../../../lib/parse-json.ts";
import { type ApiOptions, ApiSocket, type Operation } from "./api-socket.ts";
import { type CloudHypervisorClone, prepareClone } from "./cloud-hypervisor-clone.ts";
import type { MachineControl, VmmVersion } from "./machine-control.ts";
import { isAtLeast } from "./version-number.ts";

/** Version that brought `memory_restore_mode`. */
const ON_DEMAND_SINCE = [52];

/** Time limit in milliseconds for writing or reading the guest's memory. */
const MEMORY_MS = 600_000;

export interface CloudHypervisorOptions extends ApiOptions {
  /** The clone's own folder and resources; only `restore` needs it. */
  readonly clone?: CloudHypervisorClone;
}

/** The Cloud Hypervisor process behind an API socket. A snapshot is a folder in Cloud Hypervisor's own format. */
export class CloudHypervisor implements MachineControl {
  readonly #api: ApiSocket;
  readonly #clone: CloudHypervisorClone | undefined;

  constructor(socket: string, { clone, ...options }: CloudHypervisorOptions = {}) {
    this.#api = new ApiSocket("Cloud Hypervisor", socket, faultMessage, options);
    this.#clone = clone;
  }

  async vmm(): Promise<VmmVersion> {
    const remedy = "check that the socket is Cloud Hypervisor's API socket";
    const answer = await this.#call({ what: "ping", method: "GET", path: "vmm.ping", remedy });
    if (!isJsonObject(answer) || typeof answer["version"] !== "string") {
      throw this.#api.error("ping", `the answer has no version; ${remedy}`);
    }
    return { name: "cloud-hypervisor", version: answer["version"] };
  }

  async pause(): Promise<void> {
    await this.#call({ what: "pause", method: "PUT", path: "vm.pause", remedy: "boot the machine first" });
  }

  async resume(): Promise<void> {
    await this.#call({ what: "resume", method: "PUT", path: "vm.resume", remedy: "pause or restore a machine first" });
  }

  async snapshot(folder: string): Promise<void> {
    await this.#call({
      what: "snapshot",
      method: "PUT",
      path: "vm.snapshot",
      body: { destination_url: fileUrl(folder) },
      limitMs: MEMORY_MS,
      remedy: `pause the machine first, and check that ${folder} is an empty folder with space`,
    });
  }

  async restore(folder: string): Promise<void> {
    const clone = this.#clone;
    if (clone === undefined) throw this.#api.error("restore", "no folder for the clone; pass the option clone");
    if (clone.memory === "on-demand") await this.#checkOnDemand();
    await prepareClone(folder, clone);
    try {
      await this.#load(clone);
    } catch (error) {
      await rm(clone.folder, { recursive: true, force: true });
      throw error;
    }
  }

  async #load({ folder, memory }: CloudHypervisorClone): Promise<void> {
    await this.#call({
      what: "restore",
      method: "PUT",
      path: "vm.restore",
      body: {
        source_url: fileUrl(folder),
        ...(memory === "on-demand" ? { memory_restore_mode: "OnDemand" } : {}),
      },
      limitMs: MEMORY_MS,
      remedy: "use a Cloud Hypervisor without a machine, and check the clone's vsock path, taps and disks",
    });
  }

  async #checkOnDemand(): Promise<void> {
    const { version } = await this.vmm();
    if (isAtLeast(version, ON_DEMAND_SINCE)) return;
    throw this.#api.error("restore", `version ${version} can't load memory on demand; leave memory out, or use v52.0`);
  }

  #call({ path, ...operation }: Operation): Promise<unknown> {
    return this.#api.call({ ...operation, path: `/api/v1/${path}` });
  }
}

/** Cloud Hypervisor removes `file://` and takes the rest as it is, so nothing is escaped. */
function fileUrl(folder: string): string {
  return `file://${folder}`;
}

/** The body is a list, from the outermost cause to the innermost; older versions send text. */
function faultMessage(body: string): string {
  try {
    const value: unknown = JSON.parse(body);
    return Array.isArray(value) ? value.join(": ") : body;
  } catch {
    return body;
  }
}
