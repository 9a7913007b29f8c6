import { expect, it } from "vitest";
import { attach } from "../../host/client/streams/attachment.ts";
import { streamsAddress } from "../../host/client/streams/streams-address.ts";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { Pod } from "../scenarios/pod.ts";
import { startHostAgent } from "./testing/host-agent.ts";

const READY = "ready\n";
/** Fits into the pipe that is kept for the client: it has room for 16 pieces of a terminal's output, however small. */
const LENGTH = 4000;
const END = { code: 3, stdout: READY.length + LENGTH };

describeInNamespaces("an ended process with a terminal", () => {
  it("keeps the output that its client hasn't taken over the agent's death", async () => {
    await using machine = await startHostAgent();
    const pod = await Pod.open(machine);
    const container = await pod.start(["sleep", "1000"]);
    const address = streamsAddress(machine.address);
    const script = `stty raw -echo; echo ready; read go; head -c ${LENGTH} /dev/zero; exit 3`;
    const process = { Args: ["sh", "-c", script], Env: ["PATH=/bin"], Cwd: "/", Terminal: true };
    const [ready, taking] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    let taken = 0;
    const client = attach(
      address,
      { container, exec: "tty", process },
      {
        async onData(_, bytes) {
          taken += bytes.length;
          ready.resolve();
          await taking.promise;
        },
      },
    );
    await client.attached;
    const observer = attach(address, { container, exec: "tty", observe: true }, { onData: () => undefined });
    await observer.attached;
    await ready.promise; // or the terminal would echo the input
    const written = client.write(Buffer.from("go\n")); // acknowledged behind the output
    expect(await observer.exit).toMatchObject(END); // so the agent has reached the terminal's end
    await machine.killAgent();
    taking.resolve();
    await written;
    expect(await client.exit).toMatchObject(END);
    expect(taken).toBe(END.stdout);
    await pod.client.close();
  });
});
