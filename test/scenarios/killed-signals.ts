import { expect } from "vitest";
import { programOf, type StreamLoad } from "./killed-streams.ts";

/** Real-time signals that the C library leaves to programs. */
const [FIRST, LAST] = [34, 64];
const SIGNALS = 50;

/**
 * Signals to an exec that counts them: none comes twice. Reports how many there were, and how many were answered and never came, which the
 * moment around pidfd_send_signal(2) allows.
 */
export async function countSignals(load: StreamLoad, counted: (signals: number, lost: number) => void): Promise<void> {
  const { line, container_id } = load;
  for (let round = 0; !load.stopped(); round++) {
    const ids = { container_id, exec_id: `signals-${round}` };
    const process = programOf("exec probe signals");
    if ((await line.ask(({ agent }) => agent.execProcess({ ...ids, process }))) === undefined) continue;
    const sent = new Map<number, number>();
    const got = new Map<number, number>();
    let whole = await readLines(load, ids.exec_id, (text) => text !== "ready", got);
    for (let count = 0; count < SIGNALS; count++) {
      const signal = FIRST + (count % (LAST - FIRST + 1));
      whole &&= (await line.ask(({ agent }) => agent.signalProcess({ ...ids, signal }))) !== undefined;
      sent.set(signal, (sent.get(signal) ?? 0) + 1);
    }
    await line.askAgain(({ agent }) => agent.closeStdin(ids));
    whole &&= await readLines(load, ids.exec_id, () => true, got);
    const waited = await line.ask(({ agent }) => agent.waitProcess(ids));
    if (!whole || waited === undefined) continue;
    expect(waited.status, ids.exec_id).toBe(0);
    for (const [signal, times] of sent) {
      const came = got.get(signal) ?? 0;
      expect(came, `${ids.exec_id}: signal ${signal}, sent ${times} times`).toBeLessThanOrEqual(times);
      counted(times, times - came);
    }
    load.done();
  }
}

/** Counts the signals of whole lines, as long as they say to go on. False when a read was lost. */
async function readLines(
  { line, container_id }: StreamLoad,
  exec_id: string,
  goOn: (line: string) => boolean,
  got: Map<number, number>,
): Promise<boolean> {
  for (let rest = ""; ; ) {
    const read = await line.ask(({ agent }) => agent.readStdout({ container_id, exec_id, len: 4096 }));
    if (read === undefined || read.data.length === 0) return read !== undefined;
    const lines = (rest + Buffer.from(read.data).toString()).split("\n");
    rest = lines.pop() ?? "";
    for (const text of lines.filter((it) => it !== "ready")) got.set(Number(text), (got.get(Number(text)) ?? 0) + 1);
    if (!lines.every(goOn)) return true;
  }
}
