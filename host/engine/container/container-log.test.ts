import { expect, onTestFinished, test } from "vitest";
import { readContainerLog } from "./container-log.ts";
import { playLogAgent } from "./testing/play-log-agent.ts";

const MIB = 1 << 20;

function* endless(piece: Uint8Array): Generator<Uint8Array> {
  for (;;) yield piece;
}

/** Reads the log until `isEnough`, and returns what was printed and the most that was sent and not printed, in bytes. */
async function read(piece: Buffer, tail: number | undefined, isEnough: (printed: number, sent: number) => boolean) {
  const agent = await playLogAgent(endless(piece), 2 ** 45);
  const stop = new AbortController();
  const warnings: string[] = [];
  let [printed, held] = [0, 0];
  const check = setInterval(() => {
    if (isEnough(printed, agent.sent.bytes)) stop.abort();
  }, 20);
  onTestFinished(() => clearInterval(check));
  await readContainerLog(agent.address, "web", {
    ...{ follow: false, tail, since: undefined, timestamps: false, signal: stop.signal },
    warn: (line) => warnings.push(line),
    print: async (_, bytes) => {
      held = Math.max(held, agent.sent.bytes - printed);
      printed += bytes.length;
      if (isEnough(printed, agent.sent.bytes)) stop.abort();
    },
  });
  return { printed, held, warnings };
}

test("an endless past is printed as it arrives", async () => {
  const line = Buffer.from(`${"x".repeat(60_000)}\n`);
  const { printed, held } = await read(line, undefined, (count) => count > 100 * MIB);
  expect(printed).toBeGreaterThan(100 * MIB);
  expect(held).toBeLessThan(24 * MIB);
});

test("an endless past in short pieces counts for what they take", async () => {
  const { held } = await read(Buffer.alloc(16, "\n"), undefined, (count) => count > 1000);
  expect(held).toBeLessThan(4 * MIB);
});

test("begins each line with its time if that is wanted, wherever the agent cuts it", async () => {
  const pieces = ["a\nb", "b\n", "\n", "c", "\u00e9\nd"].map((text) => Buffer.from(text));
  const whole = Buffer.concat(pieces);
  const { address } = await playLogAgent(pieces.values(), whole.length);
  const printed: Uint8Array[] = [];
  await readContainerLog(address, "web", {
    ...{ follow: false, tail: undefined, since: undefined, timestamps: true, signal: new AbortController().signal },
    warn: expect.unreachable,
    print: async (_, bytes) => void printed.push(bytes),
  });
  expect(Buffer.concat(printed).toString()).toBe("- a\n- bb\n- \n- c\u00e9\n- d");
});
