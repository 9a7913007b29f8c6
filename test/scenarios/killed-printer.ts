import { expect } from "vitest";
import type { AgentClient } from "../../host/client/agent-client.ts";
import { ociSpec } from "./oci.ts";
import type { OpenLine } from "./open-line.ts";

const WAITERS = 3;
const SCRIPT = "i=0; while :; do j=0; while [ $j -lt 40 ]; do i=$((i+1)) j=$((j+1)); echo $i; done; sleep 0.01; done";

/** A container that prints numbered lines for ever, with execs that sleep, read and waited for over all kills. */
export class KilledPrinter {
  readonly id: string;
  readonly counts = { lines: 0, gaps: 0 };

  private constructor(id: string) {
    this.id = id;
  }

  static async start({ agent }: AgentClient, rootfs: string): Promise<KilledPrinter> {
    const container_id = `load-printer-${Date.now().toString(36)}`;
    await agent.createContainer({ container_id, OCI: ociSpec(rootfs, ["sh", "-c", SCRIPT]) });
    await agent.startContainer({ container_id });
    const process = { Args: ["sleep", "1000"], Env: ["PATH=/bin"], Cwd: "/" };
    for (let index = 0; index < WAITERS; index++) {
      await agent.execProcess({ container_id, exec_id: `waiter-${index}`, process });
    }
    return new KilledPrinter(container_id);
  }

  /** Until `kill`. */
  follow(line: OpenLine): Promise<void>[] {
    return [this.#read(line), ...Array.from({ length: WAITERS }, (_, index) => this.#wait(line, index))];
  }

  async kill(line: OpenLine): Promise<void> {
    const signal = { container_id: this.id, exec_id: "", signal: 9 };
    await line.askAgain(({ agent }) => agent.signalProcess(signal));
  }

  /** None of the numbered lines may be missing or come twice but where the connection was closed. */
  async #read(line: OpenLine): Promise<void> {
    const ids = { container_id: this.id, exec_id: this.id };
    let [rest, last] = ["", 0];
    for (let known = true; ; ) {
      const read = await line.ask(({ agent }) => agent.readStdout({ ...ids, len: 4096 }));
      if (read === undefined) {
        [rest, known] = ["", false];
        continue;
      }
      if (read.data.length === 0) return;
      const lines = (rest + Buffer.from(read.data).toString()).split("\n");
      rest = lines.pop() ?? "";
      for (const number of lines.slice(known ? 0 : 1).map(Number)) {
        if (number !== last + 1) {
          expect(known, `line ${number} after line ${last} on a connection that stayed open`).toBe(false);
          this.counts.gaps++;
        }
        last = number;
        known = true;
        this.counts.lines++;
      }
    }
  }

  async #wait(line: OpenLine, index: number): Promise<void> {
    const ids = { container_id: this.id, exec_id: `waiter-${index}` };
    expect((await line.askAgain(({ agent }) => agent.waitProcess(ids))).status).toBe(137);
  }
}
