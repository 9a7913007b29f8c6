import { once } from "node:events";
import { expect, it } from "vitest";
import { dial } from "../../host/client/dial.ts";
import { describeInNamespaces } from "../init/describe-in-namespaces.ts";
import { answer, frame, request } from "../scenarios/raw-frames.ts";
import { startHostAgent } from "./host-agent.ts";

const CHECK = request("grpc.Health", "Check");

describeInNamespaces("a connection of an agent that dies", () => {
  it("is closed where a frame was half read, as the log says; where a whole one was read it goes on", async () => {
    await using machine = await startHostAgent();
    const half = await connected(machine.address);
    const whole = await connected(machine.address);
    half.write(frame(3, CHECK).subarray(0, 7));
    // What came before it on another connection is read before.
    await using client = await machine.connect();
    await client.health.check({});
    const ended = once(half, "end", { signal: AbortSignal.timeout(20_000) });
    half.resume();
    await machine.killAgent();
    await ended;
    const lines = machine.console().split("\n");
    const said = lines.find((line) => line.includes("connection closed at the restart of the agent")) ?? "{}";
    expect(JSON.parse(said.slice(said.indexOf("{")))).toMatchObject({
      level: "WARN",
      peer: "unix",
      reason: "a frame was half read",
      open: 0,
    });
    whole.write(frame(3, CHECK));
    expect(await answer(whole)).toMatchObject({ streamId: 3, code: 0 });
    whole.destroy();
    half.destroy();
  });
});

/** It has made a call: init has it from then on. */
async function connected(address: string) {
  const socket = await dial(address);
  socket.write(frame(1, CHECK));
  expect(await answer(socket)).toMatchObject({ streamId: 1, code: 0 });
  return socket;
}
