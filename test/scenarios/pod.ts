import type { AgentClient } from "../../host/client/agent-client.ts";
import type { Init } from "../../proto/codec.ts";
import type { grpc } from "../../proto/gen/messages.js";
import type { Machine } from "./machine.ts";
import { ociSpec } from "./oci.ts";

export interface Output {
  readonly stdout: Buffer;
  readonly stderr: Buffer;
  readonly status: number;
}

interface RuntimeTraits {
  /** What it says of a missing executable, and of a missing directory. */
  readonly missing: RegExp;
  readonly noDirectory: RegExp;
  /** cpu.weight; newer runtimes have another formula than those of Debian 12. */
  readonly weightOf1024Shares: number;
}

const BUILT_IN: RuntimeTraits = {
  missing: /"\S*nope": executable file not found/,
  noDirectory: /chdir \/nowhere: ENOENT/,
  weightOf1024Shares: 100,
};
const RUNTIMES: Readonly<Record<string, RuntimeTraits>> = {
  crun: {
    missing: /executable file `\S*nope` not found in \$PATH/,
    noDirectory: /chdir.*No such file/,
    weightOf1024Shares: 39,
  },
  runc: {
    missing: /exec: "\S*nope": (stat \/\S+: no such file|executable file not found)/,
    noDirectory: /chdir.*no such file/,
    weightOf1024Shares: 39,
  },
};

/** The calls that a host makes for a pod, with ids of this pod's own. */
export class Pod {
  readonly machine: Machine;
  readonly client: AgentClient;
  /** Of every container, unless it brings its own. */
  readonly annotations: Readonly<Record<string, string>>;
  /** In what those who make containers may differ. */
  readonly runtime: RuntimeTraits;
  #count = 0;

  constructor(machine: Machine, client: AgentClient, annotations: Readonly<Record<string, string>> = {}) {
    this.machine = machine;
    this.client = client;
    this.annotations = annotations;
    this.runtime = RUNTIMES[annotations["guestd.runtime"] ?? ""] ?? BUILT_IN;
  }

  /** Creates the sandbox, unless the machine has one already. The client is the pod's; one of its own when none is given. */
  static async open(
    machine: Machine,
    given?: AgentClient,
    annotations: Readonly<Record<string, string>> = {},
  ): Promise<Pod> {
    const client = given ?? (await machine.connect());
    const storages = [
      ...machine.storages,
      {
        driver: "ephemeral",
        source: "shm",
        fstype: "tmpfs",
        options: ["noexec", "nosuid", "nodev", "mode=1777", "size=67108864"],
        mount_point: "/run/kata-containers/sandbox/shm",
      },
    ];
    await client.agent
      .createSandbox({ sandbox_id: "pod", hostname: "pod-host", dns: ["nameserver 10.0.0.10"], storages })
      .catch((error: { kind?: string }) => {
        if (error.kind !== "already-exists") throw error;
      });
    return new Pod(machine, client, annotations);
  }

  /** A created container; `args` run when it is started. */
  async create(args: readonly string[], parts: Init<grpc.Spec> = {}, rootfs?: string): Promise<string> {
    const id = `c${process.pid}-${Date.now().toString(36)}-${++this.#count}`;
    const root = rootfs ?? this.machine.rootfs(id);
    await this.client.agent.createContainer({
      container_id: id,
      exec_id: id,
      OCI: ociSpec(root, args, { Annotations: this.annotations, ...parts }),
    });
    return id;
  }

  async start(args: readonly string[], parts: Init<grpc.Spec> = {}): Promise<string> {
    const id = await this.create(args, parts);
    await this.client.agent.startContainer({ container_id: id });
    return id;
  }

  /** Runs to its end, reads all, removes. */
  async run(args: readonly string[], parts: Init<grpc.Spec> = {}): Promise<Output> {
    const id = await this.start(args, parts);
    const output = await this.finish(id, id);
    await this.remove(id);
    return output;
  }

  async exec(id: string, args: readonly string[], parts: Init<grpc.Process> = {}): Promise<string> {
    const exec_id = `x${++this.#count}`;
    const process = { Args: args, Env: ["PATH=/bin"], Cwd: "/", ...parts };
    await this.client.agent.execProcess({ container_id: id, exec_id, process });
    return exec_id;
  }

  /** An exec to its end. */
  async execute(id: string, args: readonly string[], parts: Init<grpc.Process> = {}): Promise<Output> {
    return this.finish(id, await this.exec(id, args, parts));
  }

  /** Reads both outputs to their end, then waits, as hosts do. */
  async finish(container_id: string, exec_id: string, length = 32_768): Promise<Output> {
    const [stdout, stderr] = await Promise.all([
      this.drain("readStdout", container_id, exec_id, length),
      this.drain("readStderr", container_id, exec_id, length),
    ]);
    const { status } = await this.client.agent.waitProcess({ container_id, exec_id });
    return { stdout, stderr, status };
  }

  async drain(call: "readStdout" | "readStderr", container_id: string, exec_id: string, len = 32_768): Promise<Buffer> {
    const parts: Uint8Array[] = [];
    for (;;) {
      const { data } = await this.client.agent[call]({ container_id, exec_id, len });
      if (data.length > len) throw new Error(`${call} gave ${data.length} bytes, more than ${len}`);
      if (data.length === 0) return Buffer.concat(parts);
      parts.push(data);
    }
  }

  async remove(container_id: string): Promise<void> {
    await this.client.agent.removeContainer({ container_id });
  }
}
