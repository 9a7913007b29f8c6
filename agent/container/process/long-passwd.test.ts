import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { expect, test } from "vitest";

/** The agent's heap; a list of the text's lines or fields would need more. */
const HEAP_MB = 64;
/** More than is ever read of a file, so that the effect shows. */
const BYTES = 16 << 20;
const MODULES = new URL("./", import.meta.url);

/** Runs `code` in a heap of that size; its `passwd` is `text`, repeated. */
async function inSmallHeap(text: string, code: string): Promise<unknown> {
  const lines = `const { workerData, parentPort } = require("node:worker_threads");
    const { base, text, repeat } = workerData;
    const run = async () => { const passwd = text.repeat(repeat); ${code} };
    run().then((result) => parentPort.postMessage(result), (error) => parentPort.postMessage(String(error)));`;
  const worker = new Worker(lines, {
    eval: true,
    workerData: { base: MODULES.href, text, repeat: BYTES / text.length },
    resourceLimits: { maxOldGenerationSizeMb: HEAP_MB, maxYoungGenerationSizeMb: 1 },
  });
  const [result] = await once(worker, "message");
  await worker.terminate();
  return result;
}

test.each(["\n", ":", "::0\n", "::::::::\n"])(
  "looking up HOME in a passwd of 16 MiB of %j takes little memory",
  async (text) => {
    const code = `const { withHome } = await import(base + "home.ts"); return withHome([], 0, async () => passwd);`;
    expect(await inSmallHeap(text, code)).toEqual(["HOME=/"]);
  },
);
