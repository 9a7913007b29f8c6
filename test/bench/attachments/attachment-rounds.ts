import { attach } from "../../../host/client/streams/attachment.ts";
import type { Init } from "../../../proto/codec.ts";
import type { grpc } from "../../../proto/gen/messages.js";
import { CallCpu } from "../process-usage.ts";
import { Samples } from "../samples.ts";

const MIB = 1024 * 1024;

/** Times of work through attachments, beside the same work by Kata's calls in GuestdRounds. */
export class AttachmentRounds {
  /** One attachment that starts a process, takes its output and its exit; ms. */
  readonly exec = new Samples();
  /** The same exec by four of Kata's calls, in turns with the attachments; ms. */
  readonly calls = new Samples();
  /** Output of one process; MB/s (10^6 bytes). */
  readonly output = new Samples();
  /** The agent's CPU time for one exec, for the same by calls, and for one MiB of output. */
  readonly cpu: Readonly<Record<"exec" | "calls" | "mib", CallCpu>>;
  readonly #address: string;
  readonly #container: string;
  #count = 0;

  /** `address` is that of guestd.v1.Streams, `container` is running. */
  constructor(address: string, container: string, agentPid: number) {
    this.#address = address;
    this.#container = container;
    this.cpu = { exec: new CallCpu(agentPid), calls: new CallCpu(agentPid), mib: new CallCpu(agentPid) };
  }

  /** Runs `process` in the container; throws unless it prints `output`. */
  async execOnce(process: Init<grpc.Process>, output: string): Promise<void> {
    await this.exec.time(() => this.#exec(process, output));
  }

  /** Does the same, and then `calls`, to measure the agent's CPU time: a single exec is too short. */
  async cpuRounds(
    process: Init<grpc.Process>,
    output: string,
    count: number,
    calls: () => Promise<unknown>,
  ): Promise<void> {
    const repeat = (exec: () => Promise<unknown>) => async () => {
      for (let round = 0; round < count; round++) await exec();
      return count;
    };
    await this.cpu.exec.during(repeat(() => this.#exec(process, output)));
    await this.cpu.calls.during(repeat(calls));
  }

  /** Measures the output of a `dd` that writes zeros to its stdout, a real pipe. Returns MB/s. */
  async outputSpeed(mib: number): Promise<number> {
    const process = { Args: ["dd", "if=/dev/zero", "bs=64k", `count=${mib * 16}`], Env: ["PATH=/bin"], Cwd: "/" };
    let [bytes, speed] = [0, 0];
    await this.cpu.mib.during(async () => {
      const began = performance.now();
      const onData = (name: string, data: Uint8Array) => {
        if (name === "stdout") bytes += data.length;
      };
      const attachment = attach(
        this.#address,
        { container: this.#container, exec: this.#newExec(), process },
        { onData },
      );
      const { code, stdout } = await attachment.exit;
      const seconds = (performance.now() - began) / 1000;
      if (code !== 0 || bytes !== stdout || bytes !== mib * MIB) {
        throw new Error(`dd through an attachment: exit code ${code}, ${bytes} of ${stdout} bytes arrived`);
      }
      speed = bytes / 1e6 / seconds;
      this.output.add(speed);
      return mib;
    });
    return speed;
  }

  async #exec(process: Init<grpc.Process>, output: string): Promise<void> {
    let text = "";
    const onData = (_: string, data: Uint8Array) => {
      text += Buffer.from(data).toString();
    };
    const request = { container: this.#container, exec: this.#newExec(), process };
    const { code } = await attach(this.#address, request, { onData }).exit;
    if (text !== output || code !== 0) throw new Error(`exec through an attachment: exit code ${code}, "${text}"`);
  }

  #newExec(): string {
    return `attached-${++this.#count}`;
  }
}
