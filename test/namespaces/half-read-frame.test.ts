import { expect, it } from "vitest";
import { dial } from "../../host/client/dial.ts";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { answer, frame, request } from "../scenarios/raw-frames.ts";
import { startHostAgent } from "./testing/host-agent.ts";

const CHECK = request("grpc.Health", "Check");

describeInNamespaces("a connection to an agent that dies", () => {
  it("continues in the middle of a frame, and after a whole one, as the log says", async () => {
    await using machine = await startHostAgent();
    const half = await connected(machine.address);
    const whole = await connected(machine.address);
    half.write(frame(3, CHECK).subarray(0, 15));
    // The agent reads earlier bytes of another connection before this call.
    await using client = await machine.connect();
    await client.health.check({});
    await machine.killAgent();
    expect(machine.console()).not.toContain("connection closed at the restart of the agent");
    half.write(frame(3, CHECK).subarray(15));
    expect(await answer(half)).toMatchObject({ streamId: 3, code: 0 });
    whole.write(frame(3, CHECK));
    expect(await answer(whole)).toMatchObject({ streamId: 3, code: 0 });
    whole.destroy();
    half.destroy();
  });
});

/** Opens a connection that has made a call: from then on init has it. */
async function connected(address: string) {
  const socket = await dial(address);
  socket.write(frame(1, CHECK));
  expect(await answer(socket)).toMatchObject({ streamId: 1, code: 0 });
  return socket;
}
