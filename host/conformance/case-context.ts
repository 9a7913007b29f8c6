import type { Init } from "../../proto/codec.ts";
import type { grpc } from "../../proto/gen/messages.js";
import { RpcError } from "../client/rpc-error.ts";
import { CaseConnections, type CaseParts, connectTo } from "./case-connections.ts";
import { equal, holds } from "./check.ts";
import { ociProcess, ociSpec, withMounts } from "./oci-spec.ts";
import { CaseFailure } from "./outcome.ts";
import { quietMethods } from "./quiet-methods.ts";

export interface Output {
  readonly stdout: string;
  readonly stderr: string;
  readonly status: number;
}

/** Length of a read, as the Go shim requests it. */
const READ_BYTES = 32_768;
/** Time without an answer after which output counts as stopped, and the reads that may return earlier output. */
const SILENT_MS = 500;
const MAX_READS = 30;

/** Everything that a case does to the agent: its connections, and what hosts do with containers and processes. */
export class CaseContext extends CaseConnections {
  static async open(parts: Omit<CaseParts, "client">): Promise<CaseContext> {
    return quietMethods(new CaseContext({ ...parts, client: await connectTo(parts.session, parts.recorder) }));
  }

  /** Path in the guest of the root file system with busybox. Writable, and used by all containers. */
  get rootfs(): string {
    return this.session.rootfs;
  }

  /** Creates a container that runs `args` once it is started. Returns its id. */
  async create(
    args: readonly string[],
    parts: Init<grpc.Spec> = {},
    request: Init<grpc.CreateContainerRequest> = {},
  ): Promise<string> {
    const id = this.fresh();
    const OCI = ociSpec(this.rootfs, args, parts);
    await this.agent.createContainer({ container_id: id, exec_id: id, OCI, ...request });
    return id;
  }

  async start(
    args: readonly string[],
    parts: Init<grpc.Spec> = {},
    request: Init<grpc.CreateContainerRequest> = {},
  ): Promise<string> {
    const id = await this.create(args, parts, request);
    await this.agent.startContainer({ container_id: id });
    return id;
  }

  /** Starts a container that does nothing until it is removed. */
  sleeper(parts: Init<grpc.Spec> = {}): Promise<string> {
    return this.start(["sleep", "1000"], parts);
  }

  /** Runs a container to its end, reads all output and removes it. */
  async run(args: readonly string[], parts: Init<grpc.Spec> = {}): Promise<Output> {
    const id = await this.start(args, parts);
    const output = await this.finish(id);
    await this.agent.removeContainer({ container_id: id });
    return output;
  }

  /** Runs a shell script as a container. Returns its stdout, followed by its stderr. */
  async print(script: string, parts: Init<grpc.Spec> = {}, process: Init<grpc.Process> = {}): Promise<string> {
    const { Process } = ociSpec("", ["sh", "-c", script]);
    const { stdout, stderr } = await this.run([], { Process: { ...Process, ...process }, ...parts });
    return stdout + stderr;
  }

  /** Runs another process in a container. Returns its exec id. */
  async exec(container_id: string, args: readonly string[], parts: Init<grpc.Process> = {}): Promise<string> {
    const exec_id = this.fresh();
    await this.agent.execProcess({ container_id, exec_id, process: ociProcess(args, parts) });
    return exec_id;
  }

  /** Runs a shell script in a container to its end. */
  async execute(container_id: string, script: string, parts: Init<grpc.Process> = {}): Promise<Output> {
    return this.finish(container_id, await this.exec(container_id, ["sh", "-c", script], parts));
  }

  /** Reads both outputs to their end, then waits, as hosts do. */
  async finish(container_id: string, exec_id = container_id, length = READ_BYTES): Promise<Output> {
    const [stdout, stderr] = await Promise.all([
      this.drain("readStdout", container_id, exec_id, length),
      this.drain("readStderr", container_id, exec_id, length),
    ]);
    const { status } = await this.agent.waitProcess({ container_id, exec_id });
    return { stdout: stdout.toString(), stderr: stderr.toString(), status };
  }

  async drain(
    call: "readStdout" | "readStderr",
    container_id: string,
    exec_id = container_id,
    len = READ_BYTES,
  ): Promise<Buffer> {
    const parts: Uint8Array[] = [];
    for (;;) {
      const { data } = await this.agent[call]({ container_id, exec_id, len });
      holds(data.length <= len, `an answer has at most ${len} bytes`, data.length);
      if (data.length === 0) return Buffer.concat(parts);
      parts.push(data);
    }
  }

  /**
   * Reads a terminal's output to its end, which is an empty answer or, as the kernel reports it (EIO), INTERNAL. Both hosts
   * accept both.
   */
  async drainTerminal(container_id: string, exec_id = container_id): Promise<string> {
    for (let seen = ""; ; ) {
      const answer = await this.agent.readStdout({ container_id, exec_id, len: READ_BYTES }).catch((error: unknown) => {
        if (error instanceof RpcError && error.kind === "internal") return { data: new Uint8Array() };
        throw error;
      });
      if (answer.data.length === 0) return seen;
      seen += Buffer.from(answer.data).toString();
    }
  }

  /** Reads stdout until it includes `text`. Returns all that was read; fails at the end of the output. */
  async readUntil(text: string, container_id: string, exec_id = container_id): Promise<string> {
    for (let seen = ""; ; ) {
      const { data } = await this.agent.readStdout({ container_id, exec_id, len: READ_BYTES });
      seen += Buffer.from(data).toString();
      if (seen.includes(text)) return seen;
      holds(data.length > 0, `stdout includes ${JSON.stringify(text)}`, seen);
    }
  }

  /**
   * Reads stdout until a read stays open, because the output has stopped. Resolves with that read; fails if output keeps
   * coming.
   */
  async readUntilSilent(
    container_id: string,
    exec_id = container_id,
  ): Promise<{ readonly open: Promise<{ readonly data: Uint8Array }> }> {
    for (let reads = 0; reads < MAX_READS; reads++) {
      const open = this.agent.readStdout({ container_id, exec_id, len: 2 * READ_BYTES });
      if ((await Promise.race([open, this.pause(SILENT_MS)])) === undefined) return { open };
    }
    throw new CaseFailure(`stdout still has data after ${MAX_READS} reads`);
  }

  async write(text: string, container_id: string, exec_id = container_id): Promise<void> {
    const data = Buffer.from(text);
    const { len } = await this.agent.writeStdin({ container_id, exec_id, data });
    equal(len, data.length, "the number of bytes accepted by WriteStdin");
  }

  kill(container_id: string, signal: number, exec_id = container_id): Promise<unknown> {
    return this.agent.signalProcess({ container_id, exec_id, signal });
  }

  remove(container_id: string): Promise<unknown> {
    return this.agent.removeContainer({ container_id });
  }

  /** Runs a shell script in a container that sees the guest's `directory` at /guest, read-only. Returns its output. */
  lookAt(directory: string, script: string): Promise<string> {
    const bind = { destination: "/guest", source: directory, type: "bind", options: ["rbind", "ro"] };
    return this.print(script, withMounts(bind));
  }
}
