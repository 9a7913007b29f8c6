import { expect, test } from "vitest";
import { RpcError } from "../client/rpc-error.ts";
import { scriptedAgent } from "../sandbox/testing/scripted-agent.ts";
import { Interrupts } from "./interrupts.ts";
import { serveProcess } from "./serve-process.ts";

test("signals go to the process, the third as SIGKILL, and the fifth leaves an agent that answers nothing", async () => {
  using interrupts = new Interrupts();
  const signals: unknown[] = [];
  const closed = Promise.withResolvers<never>();
  const never = () => closed.promise;
  const calls = { readStdout: never, readStderr: never, waitProcess: never, closeStdin: never };
  const agent = scriptedAgent({
    ...calls,
    async signalProcess({ signal }) {
      signals.push(signal);
      return {};
    },
  });
  const close = async () => closed.reject(new RpcError("unavailable", "ttrpc: closed"));
  const served = serveProcess({ ...agent, close }, { container_id: "c", exec_id: "c" }, {}, interrupts);
  for (let times = 1; times <= 4; times++) process.emit("SIGINT");
  expect(await Promise.race([served, new Promise((resolve) => setImmediate(resolve, "goes on"))])).toBe("goes on");
  process.emit("SIGINT");
  await expect(served).rejects.toThrow("ttrpc: closed");
  expect(signals).toEqual([2, 2, 9, 9, 9]);
});
