import { waitUntil } from "../../kernel/wait/wait-until.ts";
import { findProcess } from "../find-container.ts";
import type { Rpc } from "../rpc.ts";

/** status: the exit code, or 128 + signal. The process counts as waited for once the answer was written. */
export const waitProcess: Rpc<"WaitProcess"> = {
  afterDeath: "repeat",
  async handle(agent, request, call) {
    const process = findProcess(agent, request);
    const { code } = await process.wait(call.signal);
    await waitUntil(process.drained(), call.signal);
    call.onSettled((written) => {
      if (written) process.markWaited();
    });
    return { status: code };
  },
};
